"""Managed policy for platform operators: monitor everything, end jobs, disable and enable queues."""

from __future__ import annotations

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc.contract import objects
from hpc_constructs.access.permissions import allow, grant_read_contract


class OperatorPolicy(Construct):
    """A policy without access to data, registries, compute environments and passing roles: permission to update a
    compute environment would include its machine image, since IAM cannot restrict which property changes
    (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html). To stop its costs, disable
    its queues and end their jobs: it scales down to its minimum."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: str,
        queues: Iterable[str],
        log_groups: Iterable[str],
        dead_letters: str,
    ) -> None:
        """
        Args:
            queues: ARNs of the job queues.
            log_groups: ARNs, without `:*`, of the logs and the history of jobs.
            dead_letters: ARN of the queue of events that could not be delivered.
        """
        super().__init__(scope, id)
        self._environment = environment
        self.policy = iam.ManagedPolicy(
            self, "Policy", description=f"Run environment {environment}: end jobs, close queues, read logs and alarms"
        )
        self._allow_queues(list(queues))
        self._allow_end_jobs()
        self._allow_look()
        self._allow_logs(list(log_groups))
        grant_read_contract(self.policy, environment)
        allow(self.policy, "CountDeadLetters", ["sqs:GetQueueAttributes"], [dead_letters])

    @property
    def arn(self) -> str:
        return self.policy.managed_policy_arn

    def _allow_queues(self, queues: list[str]) -> None:
        """Grant updates of state, priority and time limits of a queue. An update of its compute environments or
        scheduling policy needs permission for these resources as well, and is refused."""
        allow(self.policy, "CloseAndOpenQueues", ["batch:UpdateJobQueue", "batch:GetJobQueueSnapshot"], queues)

    def _allow_end_jobs(self) -> None:
        """Grant ending jobs. IAM conditions cover a job but not its queue. Jobs of another environment carry its tag;
        jobs without the tag, submitted by clients other than `hpc`, must be ended too when they block a queue."""
        own = {f"aws:ResourceTag/{objects.TAG_ENVIRONMENT}": self._environment}
        jobs = cdk.Stack.of(self).format_arn(service="batch", resource="job", resource_name="*")
        end = ["batch:CancelJob", "batch:TerminateJob"]
        allow(self.policy, "EndJobs", end, [jobs], {"StringEqualsIfExists": own})

    def _allow_look(self) -> None:
        """Grant actions without resource-level permissions, and those that the console needs on all resources."""
        allow(
            self.policy,
            "Look",
            [
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeScalingActivities",
                "batch:DescribeComputeEnvironments",
                "batch:DescribeJobDefinitions",
                "batch:DescribeJobQueues",
                "batch:DescribeJobs",
                "batch:DescribeSchedulingPolicies",
                "batch:ListJobs",
                "batch:ListSchedulingPolicies",
                "cloudwatch:DescribeAlarmHistory",
                "cloudwatch:DescribeAlarms",
                "cloudwatch:GetDashboard",
                "cloudwatch:GetMetricData",
                "cloudwatch:ListDashboards",
                "cloudwatch:ListMetrics",
                "ec2:DescribeInstances",
                "ec2:DescribeInstanceStatus",
                "logs:DescribeLogGroups",
                "logs:GetQueryResults",
            ],
            ["*"],
        )

    def _allow_logs(self, groups: list[str]) -> None:
        allow(
            self.policy,
            "ReadLogs",
            ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery"],
            [arn for group in groups for arn in (group, f"{group}:*")],
        )
