"""Job definitions: for a single container, and for any number of nodes."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_batch as batch
from constructs import Construct

from hpc.contract import objects, variables
from hpc_constructs import config
from hpc_constructs.config.sizing import HOST, SCRATCH, SHARED, Size
from hpc_constructs.storage.shared_file_system import ProjectFolder

UNLIMITED = -1
TMPFS_OPTIONS = ["rw", "exec", "nosuid", "nodev"]
"""Docker's default options, with `exec`: compilers and Python packages execute files that they write there."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Settings that all job definitions of a project share."""

    environment: str
    project: str
    image: str
    bucket: str
    region: str
    log_group: str
    job_role_arn: str
    execution_role_arn: str
    shared: ProjectFolder | None
    """The project's folder of the shared file system, if there is one."""


COMMAND = ["sh", "-c", "Ref::command"]
"""Command of a submission that overrides none: its parameter `command`, for clients that can set parameters only,
such as Luigi
(https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html#parameters)."""
PARAMETERS = {"command": "echo 'give a command: containerOverrides.command, or the parameter command' >&2; exit 64"}


def retry_strategy(attempts: int) -> batch.CfnJobDefinition.RetryStrategyProperty:
    """Retries of failures of the platform, never of the command.

    The first matching rule counts, and without a match Batch retries, so the last rule matches everything
    (https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html).
    """
    rule = batch.CfnJobDefinition.EvaluateOnExitProperty
    return batch.CfnJobDefinition.RetryStrategyProperty(
        attempts=attempts,
        evaluate_on_exit=[
            rule(action="RETRY", on_status_reason="Host EC2*"),
            rule(action="RETRY", on_reason="CannotPullContainerError*"),
            rule(action="RETRY", on_reason="DockerTimeoutError*"),
            rule(action="RETRY", on_status_reason="Task failed to start*"),
            rule(action="EXIT", on_reason="*"),
        ],
    )


class JobDefinition(Construct):
    """A job definition with an explicit name: a change registers a new revision, and old revisions stay usable."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        settings: config.Definition,
        size: Size,
        runtime: Runtime,
        scratch: bool,
    ) -> None:
        """
        Args:
            scratch: whether containers see the instance's scratch folder.
        """
        super().__init__(scope, id)
        self._name, self._settings, self._size, self._runtime = name, settings, size, runtime
        self._scratch = scratch
        single = settings.kind == "single"
        self.resource = batch.CfnJobDefinition(
            self,
            "Resource",
            type="container" if single else "multinode",
            job_definition_name=definition_name(runtime.environment, runtime.project, name),
            platform_capabilities=["EC2"] if single else None,
            container_properties=self._container() if single else None,
            node_properties=None if single else self._nodes(),
            parameters=PARAMETERS,
            propagate_tags=True,
            retry_strategy=retry_strategy(settings.attempts),
            timeout=batch.CfnJobDefinition.TimeoutProperty(attempt_duration_seconds=settings.timeout_s),
            # Queued jobs and workflow engines hold old revisions.
            resource_retention_policy=batch.CfnJobDefinition.ResourceRetentionPolicyProperty(
                skip_deregister_on_update=True
            ),
            tags={objects.TAG_PROJECT: runtime.project},
        )

    @property
    def arn(self) -> str:
        """With revision."""
        return self.resource.ref

    def published(self) -> objects.Definition:
        """Return the definition as the contract publishes it."""
        return objects.Definition(
            name=self._name,
            project=self._runtime.project,
            arn=self.arn,
            kind=self._settings.kind,
            vcpus=self._size.vcpus,
            memory_mib=self._size.memory_mib,
            gpus=self._size.gpus,
            timeout_s=self._settings.timeout_s,
            attempts=self._settings.attempts,
            efa_interfaces=self._size.efa_interfaces,
            image=self._runtime.image if self._settings.image else None,
        )

    def _nodes(self) -> batch.CfnJobDefinition.NodePropertiesProperty:
        """Node range with an open end, without which a submission cannot set the number of nodes
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeOverrides.html)."""
        return batch.CfnJobDefinition.NodePropertiesProperty(
            main_node=0,
            num_nodes=2,
            node_range_properties=[
                batch.CfnJobDefinition.NodeRangePropertyProperty(target_nodes="0:", container=self._container())
            ],
        )

    def _container(self) -> batch.CfnJobDefinition.ContainerPropertiesProperty:
        runtime = self._runtime
        container_variables = {
            "AWS_DEFAULT_REGION": runtime.region,
            "AWS_REGION": runtime.region,
            variables.ENV_BUCKET: runtime.bucket,
            variables.ENV_PROJECT: runtime.project,
            variables.ENV_HOST: HOST,
            **({variables.ENV_SCRATCH: SCRATCH} if self._scratch else {}),
            **({variables.ENV_SHARED: SHARED} if runtime.shared else {}),
        }
        return batch.CfnJobDefinition.ContainerPropertiesProperty(
            image=runtime.image,
            command=COMMAND,
            job_role_arn=runtime.job_role_arn,
            execution_role_arn=runtime.execution_role_arn,
            environment=[
                batch.CfnJobDefinition.EnvironmentProperty(name=key, value=value)
                for key, value in container_variables.items()
            ],
            resource_requirements=self._resources(),
            linux_parameters=self._linux_parameters(),
            ulimits=self._ulimits(),
            user=self._settings.user,
            readonly_root_filesystem=True if self._settings.read_only_root else None,
            enable_execute_command=True if self._settings.enable_execute_command else None,
            secrets=[
                batch.CfnJobDefinition.SecretProperty(name=key, value_from=arn)
                for key, arn in self._settings.secrets.items()
            ]
            or None,
            volumes=self._volumes(),
            mount_points=self._mount_points(),
            log_configuration=batch.CfnJobDefinition.LogConfigurationProperty(
                log_driver="awslogs", options={"awslogs-group": runtime.log_group}
            ),
        )

    def _volumes(self) -> list[batch.CfnJobDefinition.VolumesProperty]:
        volumes = [_volume(HOST)]
        if self._scratch:
            volumes.append(_volume(SCRATCH))
        if self._runtime.shared:
            volumes.append(self._runtime.shared.volume(_volume_name(SHARED)))
        return volumes

    def _mount_points(self) -> list[batch.CfnJobDefinition.MountPointsProperty]:
        mounts = [_mount(HOST, read_only=True)]
        if self._scratch:
            mounts.append(_mount(SCRATCH))
        if self._runtime.shared:
            mounts.append(_mount(SHARED))
        return mounts

    def _resources(self) -> list[batch.CfnJobDefinition.ResourceRequirementProperty]:
        amounts = {"VCPU": self._size.vcpus, "MEMORY": self._size.memory_mib, "GPU": self._size.gpus}
        return [
            batch.CfnJobDefinition.ResourceRequirementProperty(type=key, value=str(value))
            for key, value in amounts.items()
            if value
        ]

    def _linux_parameters(self) -> batch.CfnJobDefinition.LinuxParametersProperty:
        """EFA devices, one for each EFA interface of the instance; with one too many the container does not start
        (https://docs.aws.amazon.com/batch/latest/userguide/efa.html)."""
        devices = [f"/dev/infiniband/uverbs{index}" for index in range(self._size.efa_interfaces)]
        return batch.CfnJobDefinition.LinuxParametersProperty(
            # Reaps orphaned processes that the command does not.
            init_process_enabled=True,
            shared_memory_size=self._size.shared_memory_mib,
            tmpfs=[
                batch.CfnJobDefinition.TmpfsProperty(container_path=path, size=size, mount_options=TMPFS_OPTIONS)
                for path, size in self._settings.tmpfs.items()
            ]
            or None,
            devices=[
                batch.CfnJobDefinition.DeviceProperty(
                    host_path=path, container_path=path, permissions=["READ", "WRITE", "MKNOD"]
                )
                for path in devices
            ]
            or None,
        )

    def _ulimits(self) -> list[batch.CfnJobDefinition.UlimitProperty] | None:
        """EFA registers memory, which must be locked."""
        efa = {"memlock": UNLIMITED} if self._settings.kind == "multi-node" else {}
        limits: dict[str, int] = {**efa, **self._settings.ulimits}
        return [
            batch.CfnJobDefinition.UlimitProperty(name=name, soft_limit=limit, hard_limit=limit)
            for name, limit in limits.items()
        ] or None


def _volume(path: str) -> batch.CfnJobDefinition.VolumesProperty:
    """Return a volume for a folder of the instance."""
    return batch.CfnJobDefinition.VolumesProperty(
        name=_volume_name(path), host=batch.CfnJobDefinition.VolumesHostProperty(source_path=path)
    )


def _mount(path: str, *, read_only: bool = False) -> batch.CfnJobDefinition.MountPointsProperty:
    return batch.CfnJobDefinition.MountPointsProperty(
        source_volume=_volume_name(path), container_path=path, read_only=read_only
    )


def _volume_name(path: str) -> str:
    return path.strip("/").replace("/", "-")


def definition_name(environment: str, project: str, definition: str) -> str:
    """Return the name of the job definition."""
    return f"hpc-{environment}-{project}-{definition}"
