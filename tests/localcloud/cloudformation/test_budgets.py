"""AWS::Budgets::Budget through CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.localcloud.conftest import World, wait_for

pytestmark = pytest.mark.slow

ACCOUNT = "000000000000"


def template(amount: int, *percents: int, **budget: Any) -> str:
    notices = [
        {
            "Notification": {
                "NotificationType": "ACTUAL",
                "ComparisonOperator": "GREATER_THAN",
                "Threshold": percent,
                "ThresholdType": "PERCENTAGE",
            },
            "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "team@example.com"}],
        }
        for percent in percents
    ]
    properties = {
        "Budget": {
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": amount, "Unit": "USD"},
            "CostFilters": {"TagKeyValue": ["user:hpc:environment$dev"]},
            **budget,
        },
        "NotificationsWithSubscribers": notices,
        "ResourceTags": [{"Key": "hpc:environment", "Value": "dev"}],
    }
    resource = {"Type": "AWS::Budgets::Budget", "Properties": properties}
    return json.dumps({"Resources": {"Monthly": resource}, "Outputs": {"Name": {"Value": {"Ref": "Monthly"}}}})


class Stack:
    def __init__(self, world: World) -> None:
        self.name = world.unique("budgets")
        self.cloudformation, self.budgets = world.client("cloudformation"), world.client("budgets")

    def create(self, text: str) -> dict[str, Any]:
        self.cloudformation.create_stack(StackName=self.name, TemplateBody=text)
        return self.settled()

    def settled(self) -> dict[str, Any]:
        def done() -> dict[str, Any] | None:
            (stack,) = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
            return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

        return wait_for(done)

    def budget(self, name: str) -> tuple[str, list[float]]:
        found = self.budgets.describe_budget(AccountId=ACCOUNT, BudgetName=name)["Budget"]
        notices = self.budgets.describe_notifications_for_budget(AccountId=ACCOUNT, BudgetName=name)["Notifications"]
        return found["BudgetLimit"]["Amount"], [item["Threshold"] for item in notices]

    def names(self) -> list[str]:
        found = self.budgets.describe_budgets(AccountId=ACCOUNT).get("Budgets", [])
        return [item["BudgetName"] for item in found if item["BudgetName"].startswith(self.name)]


@pytest.fixture
def stack(world: World) -> Iterator[Stack]:
    stack = Stack(world)
    yield stack
    stack.cloudformation.delete_stack(StackName=stack.name)


def test_a_budget_comes_changes_in_place_and_goes(stack: Stack) -> None:
    created = stack.create(template(100, 80))
    name = created["Outputs"][0]["OutputValue"]
    assert stack.budget(name) == ("100", [80.0])
    stack.cloudformation.update_stack(StackName=stack.name, TemplateBody=template(200, 50, 90))
    assert stack.settled()["Outputs"][0]["OutputValue"] == name
    assert stack.budget(name) == ("200", [50.0, 90.0])
    stack.cloudformation.delete_stack(StackName=stack.name)
    wait_for(lambda: not stack.names())


def test_what_the_service_refuses_is_no_stack(stack: Stack) -> None:
    assert stack.create(template(100, 80, TimeUnit="FORTNIGHTLY"))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stack.names() == []
