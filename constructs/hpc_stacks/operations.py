"""Operations stack: notices, job history, alarms, dashboard and budget."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from hpc_constructs import stack_reference
from hpc_constructs.config import Environment
from hpc_constructs.operations.alarms import Alarms
from hpc_constructs.operations.budget import Budget
from hpc_constructs.operations.dashboard import Dashboard
from hpc_constructs.operations.dead_letters import DeadLetters
from hpc_constructs.operations.job_events import QUEUE_BLOCKED, STATE_CHANGE, JobEventRules
from hpc_constructs.operations.job_history import JobHistory
from hpc_constructs.operations.notices import PARENTS, NoticeTopic
from hpc_constructs.operations.operator_policy import OperatorPolicy
from hpc_stacks.compute import ComputeStack
from hpc_stacks.environment import EnvironmentStack


class OperationsStack(EnvironmentStack):
    """Monitoring, which jobs do not need: it can be deployed later, changed and deleted at any time."""

    def __init__(self, scope: Construct, *, environment: Environment, compute: ComputeStack) -> None:
        super().__init__(
            scope,
            "Operations",
            environment=environment,
            description="notices, job history, alarms, dashboard, budget",
        )
        self.add_stack_dependency(compute, "it writes the parameters with the ARNs of the queues")
        settings = environment.operations
        self._queues = {name: self._arn(stack_reference.queue(name)) for name in environment.queues}
        self._dead_letters = DeadLetters(self, "DeadLetters")
        self._notices = NoticeTopic(self, "Notices", environment=environment.name, emails=settings.emails)
        history = self._history()
        self._dead_letters.admit([*history.rule_arns, *self._notice_rules()])
        Alarms(
            self,
            "Alarms",
            queues=self._queues,
            settings=settings,
            notices=self._notices,
            dead_letters=self._dead_letters,
        )
        if settings.dashboard:
            Dashboard(self, "Dashboard", queues=self._queues, history=history, dead_letters=self._dead_letters)
        if settings.budget_monthly_usd is not None:
            Budget(
                self,
                "Budget",
                environment=environment.name,
                monthly_usd=settings.budget_monthly_usd,
                alert_percents=settings.budget_alert_percents,
                notices=self._notices,
            )
        operators = OperatorPolicy(
            self,
            "Operators",
            environment=environment.name,
            queues=self._queues.values(),
            log_groups=[self._arn(stack_reference.LOG_GROUP), history.arn],
            dead_letters=self._dead_letters.arn,
        )
        cdk.CfnOutput(
            self, "OperatorPolicyArn", value=operators.arn, description="Managed policy for platform operators"
        )
        cdk.CfnOutput(
            self,
            "NoticeTopicArn",
            value=self._notices.arn,
            description="SNS topic for failed jobs, alarms and budget notices",
        )
        cdk.CfnOutput(
            self,
            "JobHistoryLogGroup",
            value=history.name,
            description="Log group with the job history, for Logs Insights",
        )

    def _arn(self, reference: str) -> str:
        return stack_reference.read(self, self._environment.name, reference)

    def _history(self) -> JobHistory:
        environment = self._environment
        return JobHistory(
            self,
            "History",
            environment=environment.name,
            queue_arns=list(self._queues.values()),
            retention_days=environment.operations.history_retention_days,
            key_arn=self._arn(stack_reference.KEY),
            removal=self._removal,
            dead_letters=self._dead_letters,
        )

    def _notice_rules(self) -> list[str]:
        name, arns = self._environment.name, list(self._queues.values())
        failed = JobEventRules(
            self,
            "FailedJob",
            description=f"hpc-batch {name}: notices of failed jobs",
            detail_type=STATE_CHANGE,
            queue_arns=arns,
            detail={"status": ["FAILED"], **PARENTS},
            target=self._notices.job_notice("Job failed", f"HPC_ENV={name} hpc logs <jobId>"),
            dead_letters=self._dead_letters,
        )
        blocked = JobEventRules(
            self,
            "BlockedQueue",
            description=f"hpc-batch {name}: notices of blocked queues",
            detail_type=QUEUE_BLOCKED,
            queue_arns=arns,
            detail={},
            target=self._notices.job_notice(
                "Queue blocked by the job at its head",
                "https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html",
            ),
            dead_letters=self._dead_letters,
        )
        return [*failed.rule_arns, *blocked.rule_arns]
