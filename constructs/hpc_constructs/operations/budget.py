"""Monthly budget of an environment."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from hpc.contract.objects import TAG_ENVIRONMENT
from hpc_constructs.operations.notices import NoticeTopic


class Budget(Construct):
    """A monthly cost budget for everything with the environment's tag
    (https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-create-filters.html). It sends
    notices and stops nothing."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: str,
        monthly_usd: int,
        alert_percents: Sequence[int],
        notices: NoticeTopic,
    ) -> None:
        super().__init__(scope, id)
        alerts = [("ACTUAL", percent) for percent in alert_percents] + [("FORECASTED", 100)]
        notices.admit_budgets()
        budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=monthly_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:{TAG_ENVIRONMENT}${environment}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=notices.arn)],
                )
                for kind, percent in alerts
            ],
        )
        # AWS Budgets checks the topic's policy when it adds the subscription.
        budget.node.add_dependency(notices.permission)
