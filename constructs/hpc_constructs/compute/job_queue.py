"""Job queues."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_batch as batch
from constructs import Construct

from hpc.contract import objects
from hpc_constructs import config
from hpc_constructs.compute.compute_environment import ComputeEnvironment
from hpc_constructs.config.sizing import efa_interfaces, queue_max_vcpus, queue_shapes, queue_types

REASONS = {
    "job_resource_requirement_s": "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    "compute_environment_max_resource_s": "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "insufficient_instance_capacity_s": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    "ec2_instance_configuration_unsupported_s": "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
}
"""Batch's names of the reasons
(https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html)."""


def _time_limits(settings: config.JobStateTimeLimits) -> list[batch.CfnJobQueue.JobStateTimeLimitActionProperty]:
    limits: dict[str, int | None] = settings.model_dump()
    return [
        batch.CfnJobQueue.JobStateTimeLimitActionProperty(
            action="CANCEL", state="RUNNABLE", reason=REASONS[name], max_time_seconds=limit
        )
        for name, limit in limits.items()
        if limit is not None
    ]


class JobQueue(Construct):
    """A job queue without name and tags, a change of which would replace it and end its jobs."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: config.Queue,
        compute_environments: Mapping[str, ComputeEnvironment],
    ) -> None:
        super().__init__(scope, id)
        self._settings = settings
        self.resource = batch.CfnJobQueue(
            self,
            # The policy of an existing queue can be neither added nor removed: another id makes a new queue.
            "FairShareResource" if settings.fair_share else "Resource",
            priority=settings.priority,
            state="ENABLED",
            scheduling_policy_arn=self._scheduling_policy(settings.fair_share) if settings.fair_share else None,
            job_state_time_limit_actions=_time_limits(settings.job_state_time_limits),
            compute_environment_order=[
                batch.CfnJobQueue.ComputeEnvironmentOrderProperty(
                    order=order, compute_environment=compute_environments[name].arn
                )
                for order, name in enumerate(settings.compute_environments, start=1)
            ],
        )

    def _scheduling_policy(self, settings: config.FairShare) -> str:
        policy = batch.CfnSchedulingPolicy(
            self,
            "SchedulingPolicy",
            fairshare_policy=batch.CfnSchedulingPolicy.FairsharePolicyProperty(
                share_decay_seconds=settings.share_decay_s,
                compute_reservation=settings.compute_reservation,
                share_distribution=[
                    batch.CfnSchedulingPolicy.ShareAttributesProperty(share_identifier=share, weight_factor=weight)
                    for share, weight in settings.shares.items()
                ],
            ),
        )
        return policy.attr_arn

    @property
    def arn(self) -> str:
        return self.resource.attr_job_queue_arn

    def published(self, name: str, environment: config.Environment) -> objects.Queue:
        """Return the queue as the contract publishes it."""
        queue = self._settings
        return objects.Queue(
            name=name,
            arn=self.arn,
            kind=queue.kind,
            definition=queue.default_definition,
            shapes=queue_shapes(environment, queue),
            max_vcpus=queue_max_vcpus(environment, queue),
            spot=any(
                environment.compute_environments[item].purchasing == "spot" for item in queue.compute_environments
            ),
            efa_interfaces=efa_interfaces(environment, queue),
            fair_share=queue.fair_share is not None,
            architecture=queue_types(environment, queue)[0].architecture,
        )
