"""AWS::Budgets::Budget (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-budgets-budget.html)."""

from __future__ import annotations

import json
import secrets
from typing import Any

from ministack.services import budgets

from localcloud.json_types import Json


def _call(answer: tuple[int, Any, bytes]) -> None:
    status, _, body = answer
    if status >= 400:
        message = json.loads(body).get("message")
        raise ValueError(f'Resource handler returned message: "{message} (Service: Budgets, Status Code: {status})"')


def _request(name: str, properties: Json) -> Json:
    budget: Json = properties["Budget"] | {"BudgetName": name}
    if "BudgetLimit" in budget:
        limit = budget["BudgetLimit"]
        budget["BudgetLimit"] = {"Amount": str(limit["Amount"]), "Unit": limit["Unit"]}
    notices = [
        item | {"Notification": item["Notification"] | {"Threshold": float(item["Notification"]["Threshold"])}}
        for item in properties.get("NotificationsWithSubscribers", [])
    ]
    return {
        "Budget": budget,
        "NotificationsWithSubscribers": notices,
        "ResourceTags": properties.get("ResourceTags", []),
    }


def _create(logical_id: str, properties: Json, stack: str) -> tuple[str, Json]:
    name = properties["Budget"].get("BudgetName") or f"{stack}-{logical_id}-{secrets.token_hex(6).upper()}"[:100]
    _call(budgets._create_budget(_request(name, properties)))
    return name, {}


def _update(name: str, _old: Json, properties: Json, _stack: str) -> tuple[str, Json]:
    """Recreate the budget under its name: the API cannot replace all notifications at once."""
    _call(budgets._delete_budget({"BudgetName": name}))
    _call(budgets._create_budget(_request(name, properties)))
    return name, {}


def _delete(name: str, _properties: Json) -> None:
    if name in budgets._budgets:
        _call(budgets._delete_budget({"BudgetName": name}))


def handlers() -> dict[str, dict[str, Any]]:
    """Return the handlers by resource type."""
    return {"AWS::Budgets::Budget": {"create": _create, "update": _update, "delete": _delete}}
