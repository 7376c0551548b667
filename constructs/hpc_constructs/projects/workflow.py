"""The workflow of a project: a sweep, then a solver on several nodes, then a reduction.

Step Functions submits the jobs to the same queues and definitions as `hpc` does, and waits for each
(https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html).
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from hpc.contract import variables
from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.access.permissions import WorkloadRole, allow
from hpc_constructs.projects.project import Project, Target

RETRY = [
    {
        # The only error of Batch after which certainly no job exists. After a ServerException one may run already:
        # a retry could run everything twice.
        "ErrorEquals": ["Batch.TooManyRequestsException"],
        "IntervalSeconds": 5,
        "BackoffRate": 2,
        "MaxAttempts": 8,
        "MaxDelaySeconds": 300,
        "JitterStrategy": "FULL",
    }
]
STEPS = ("sweep", "solve", "reduce")
BAD_INPUT = (
    'give {"sweep": {"size": N, "command": [...]}, "solve": {"nodes": N, "command": [...]}, "reduce": {"command": '
    '[...]}} and, if you like, "on_failure": {"command": [...]}'
)


class Workflow(Construct):
    """A state machine, its role, its log group, and the policy of users who start it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        single: Target,
        multi_node: Target,
        bucket: str,
        retention_days: int,
        key: EnvironmentKey,
        removal: cdk.RemovalPolicy,
    ) -> None:
        """
        Args:
            id: name of the project.
            single: queue of the sweep, the reduction and the job after a failure.
            multi_node: queue of the solver.
        """
        super().__init__(scope, id)
        self._folder = f"States.Format('s3://{bucket}/{id}/workflows/{{}}/', $$.Execution.Name)"
        self._tags = project.tags
        group = logs.CfnLogGroup(self, "Group", retention_in_days=retention_days, kms_key_id=key.arn)
        group.apply_removal_policy(removal)
        role = WorkloadRole(
            self, "Role", principal=self._principal(), description=f"Step Functions: the workflow of project {id}"
        )
        project.grant_submit(role.policy, [single.queue, multi_node.queue])
        self._grant_wait(role.policy)
        self._grant_observe(role.policy)
        self.resource = stepfunctions.CfnStateMachine(
            self,
            "Resource",
            role_arn=role.arn,
            definition=self._definition(single, multi_node),
            logging_configuration=stepfunctions.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                # Commands and variables stay out of the log.
                include_execution_data=False,
                destinations=[
                    stepfunctions.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=stepfunctions.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=group.attr_arn
                        )
                    )
                ],
            ),
            tracing_configuration=stepfunctions.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        role.outlive(self.resource)
        self.runners = iam.ManagedPolicy(self, "Runners", description=f"Start, follow and stop the workflow of {id}")
        self.grant_run(self.runners)

    @property
    def arn(self) -> str:
        return self.resource.ref

    def grant_run(self, policy: iam.ManagedPolicy) -> None:
        """Grant starting, following and stopping executions."""
        executions = cdk.Stack.of(self).format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.resource.attr_name}:*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        allow(policy, "Start", ["states:StartExecution", "states:ListExecutions"], [self.arn])
        actions = ["states:DescribeExecution", "states:GetExecutionHistory", "states:StopExecution"]
        allow(policy, "Follow", actions, [executions])

    def _principal(self) -> iam.ServicePrincipal:
        """Return the principal for state machines of this account and Region alone
        (https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html)."""
        stack = cdk.Stack.of(self)
        machines = stack.format_arn(
            service="states", resource="stateMachine", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        return iam.ServicePrincipal(
            "states.amazonaws.com",
            conditions={
                "StringEquals": {"aws:SourceAccount": stack.account},
                "ArnLike": {"aws:SourceArn": machines},
            },
        )

    def _grant_wait(self, policy: iam.ManagedPolicy) -> None:
        """Grant managing the EventBridge rule, of this name, by which Step Functions learns of a job's end
        (https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html#batch-iam)."""
        rule = cdk.Stack.of(self).format_arn(
            service="events", resource="rule", resource_name="StepFunctionsGetEventsForBatchJobsRule"
        )
        allow(policy, "HearOfJobs", ["events:DescribeRule", "events:PutRule", "events:PutTargets"], [rule])
        allow(policy, "DescribeJobs", ["batch:DescribeJobs"], ["*"])

    def _grant_observe(self, policy: iam.ManagedPolicy) -> None:
        """Grant writing logs (https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html) and traces
        (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html); these actions have no
        resource-level permissions.
        """
        delivery = [f"logs:{verb}LogDelivery" for verb in ("Create", "Get", "Update", "Delete")]
        describe = ["logs:ListLogDeliveries", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies"]
        allow(policy, "DeliverLogs", [*delivery, *describe, "logs:PutResourcePolicy"], ["*"])
        segments = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
        sampling = ["xray:GetSamplingRules", "xray:GetSamplingTargets"]
        allow(policy, "Trace", [*segments, *sampling], ["*"])

    def _definition(self, single: Target, multi_node: Target) -> dict[str, Any]:
        """Return the definition in Amazon States Language (https://states-language.net/spec.html)."""
        failed = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Is there a job for failures"}]
        return {
            "Comment": "sweep, solver on several nodes, reduction",
            "StartAt": "Is the input complete",
            "States": {
                "Is the input complete": {
                    "Type": "Choice",
                    "Choices": [
                        {
                            "And": [
                                {"Variable": f"$.{name}", "IsPresent": True}
                                for name in (*(f"{step}.command" for step in STEPS), "sweep.size", "solve.nodes")
                            ],
                            "Next": "sweep",
                        }
                    ],
                    "Default": "Bad input",
                },
                "Bad input": {"Type": "Fail", "Error": "BadInput", "Cause": BAD_INPUT},
                "sweep": {**self._array("sweep", single), "Catch": failed, "Next": "solve"},
                "solve": {**self._nodes("solve", multi_node), "Catch": failed, "Next": "reduce"},
                "reduce": {**self._job("reduce", single), "Catch": failed, "End": True},
                "Is there a job for failures": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.on_failure.command", "IsPresent": True, "Next": "on_failure"}],
                    "Default": "Failed",
                },
                "on_failure": {
                    **self._job("on_failure", single),
                    "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Failed"}],
                    "Next": "Failed",
                },
                "Failed": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"},
            },
        }

    def _job(self, step: str, target: Target) -> dict[str, Any]:
        return self._task(step, target, {"ContainerOverrides": self._container(step)})

    def _array(self, step: str, target: Target) -> dict[str, Any]:
        size = {"ArrayProperties": {"Size.$": f"$.{step}.size"}}
        return self._task(step, target, {"ContainerOverrides": self._container(step), **size})

    def _nodes(self, step: str, target: Target) -> dict[str, Any]:
        nodes = [{"TargetNodes": "0:", "ContainerOverrides": self._container(step)}]
        return self._task(
            step, target, {"NodeOverrides": {"NumNodes.$": f"$.{step}.nodes", "NodePropertyOverrides": nodes}}
        )

    def _container(self, step: str) -> dict[str, Any]:
        return {
            "Command.$": f"$.{step}.command",
            "Environment": [{"Name": variables.ENV_WORKFLOW, "Value.$": self._folder}],
        }

    def _task(self, step: str, target: Target, changes: dict[str, Any]) -> dict[str, Any]:
        """Submit a job and wait for it; of its description only the id is passed on."""
        share = {"ShareIdentifier": target.share_identifier} if target.share_identifier else {}
        return {
            "Type": "Task",
            "Resource": f"arn:{cdk.Aws.PARTITION}:states:::batch:submitJob.sync",
            "Parameters": {
                "JobName": step.replace("_", "-"),
                "JobQueue": target.queue,
                "JobDefinition": target.definition,
                "Tags": self._tags,
                "PropagateTags": True,
                **share,
                **changes,
            },
            "ResultSelector": {"JobId.$": "$.JobId"},
            "ResultPath": f"$.{step}.job",
            "Retry": RETRY,
        }
