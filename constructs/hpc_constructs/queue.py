"""Job queues."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_batch as batch
from constructs import Construct

from hpc import contract
from hpc_constructs import config
from hpc_constructs.compute_environment import ComputeEnvironment
from hpc_constructs.config.sizing import efa_interfaces, queue_max_vcpus, queue_shapes


class JobQueue(Construct):
    """A queue without name and tags of its own, which would make it be replaced, and its jobs end."""

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
            "Resource",
            priority=settings.priority,
            state="ENABLED",
            compute_environment_order=[
                batch.CfnJobQueue.ComputeEnvironmentOrderProperty(
                    order=order, compute_environment=compute_environments[name].arn
                )
                for order, name in enumerate(settings.compute_environments, start=1)
            ],
        )

    @property
    def arn(self) -> str:
        return self.resource.attr_job_queue_arn

    def published(self, name: str, environment: config.Environment) -> contract.Queue:
        """Return what submitters must know of the queue."""
        queue = self._settings
        return contract.Queue(
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
            fair_share=False,
        )
