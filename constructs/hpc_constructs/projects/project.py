"""Resources of a project: job role, job definitions and submitter policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc.contract import objects
from hpc_constructs import config
from hpc_constructs.access.permissions import (
    WorkloadRole,
    allow,
    ecs_tasks_principal,
    grant_execute_command,
    grant_read_contract,
)
from hpc_constructs.compute.job_definition import JobDefinition, Runtime, definition_name
from hpc_constructs.compute.job_queue import JobQueue
from hpc_constructs.config.sizing import mounts_scratch, size_of
from hpc_constructs.projects.developer_policy import DeveloperPolicy, own_definitions
from hpc_constructs.storage.data_bucket import DataBucket, grant_read_buckets
from hpc_constructs.storage.image_repository import ImageRepository
from hpc_constructs.storage.job_logs import JobLogs
from hpc_constructs.storage.shared_file_system import ProjectFolder, SharedFileSystem


def _image(given: str | None, repository: str) -> str | None:
    return f"{repository}@{given}" if given and given.startswith("sha256:") else given


@dataclass(frozen=True, kw_only=True)
class Target:
    """Queue and job definition for clients other than `hpc`."""

    queue: str
    """ARN."""
    definition: str
    """ARN, with revision."""
    share_identifier: str | None
    """For a queue with fair share."""


class Project(Construct):
    """A group of researchers, separated from other groups by prefix, role and definitions."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: config.Environment,
        image: str,
        images: ImageRepository,
        own_repository: ImageRepository | None,
        bucket: DataBucket,
        logs: JobLogs,
        execution_role: WorkloadRole,
        file_system: SharedFileSystem | None,
    ) -> None:
        """
        Args:
            image: of definitions that name none.
            images: repository of images that definitions name by digest alone.
            own_repository: of the project's custom images, if it may have any.
        """
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        self._name, self._environment = id, environment
        self._bucket, self._logs = bucket, logs
        self._images, self._own_repository, self._execution_role = images, own_repository, execution_role
        self.settings = environment.projects[id]
        self.job_role = WorkloadRole(
            self,
            "Job",
            principal=ecs_tasks_principal(stack),
            description=f"Jobs of project {id}: its prefix in the data bucket",
        )
        bucket.grant_project(self.job_role.policy, id)
        grant_read_buckets(self.job_role.policy, self.settings.read_buckets)
        if any(item.enable_execute_command for item in environment.definitions.values()):
            grant_execute_command(self.job_role.policy)
        shared = ProjectFolder(self, "Shared", file_system=file_system, project=id) if file_system else None
        if shared:
            shared.grant_mount(self.job_role.policy)
        runtime = Runtime(
            environment=environment.name,
            project=id,
            image=image,
            bucket=bucket.name,
            region=stack.region,
            log_group=logs.name,
            job_role_arn=self.job_role.arn,
            execution_role_arn=execution_role.arn,
            shared=shared,
        )
        self.definitions: Mapping[str, JobDefinition] = {
            name: JobDefinition(
                self,
                f"{name}-definition",
                name=name,
                settings=settings,
                size=size_of(environment, name),
                runtime=replace(runtime, image=_image(settings.image, images.uri) or image),
                scratch=mounts_scratch(environment, name),
            )
            for name, settings in environment.definitions.items()
        }
        for role in (self.job_role, execution_role):
            role.outlive(*(definition.resource for definition in self.definitions.values()))

    def published(self) -> objects.Project:
        """Return the project as the contract publishes it."""
        return objects.Project(
            name=self._name,
            read_buckets=self.settings.read_buckets,
            share_identifier=self._share_identifier,
            own_repository=self._own_repository.uri if self._own_repository else None,
            image_sources=self.settings.image_sources,
            secrets=self.settings.secrets,
        )

    def developer_policy(self) -> iam.ManagedPolicy | None:
        """Create the policy for developers of custom containers; None if the project may not have any."""
        repository = self._own_repository
        if repository is None:
            return None
        return DeveloperPolicy(
            self,
            "Developer",
            environment=self._environment.name,
            project=self._name,
            repository=repository,
            images=self._images,
            sources=self.settings.image_sources,
            roles=[self.job_role, self._execution_role],
        ).policy

    def submitter_policy(self, queues: Iterable[JobQueue]) -> iam.ManagedPolicy:
        """Create the policy for submitters, to attach to their role or permission set."""
        policy = iam.ManagedPolicy(
            self, "Submitter", description=f"Submit jobs of project {self._name}, follow and end them"
        )
        self.grant_submit(policy, [queue.arn for queue in queues])
        self._allow_follow(policy)
        self._bucket.grant_project(policy, self._name)
        grant_read_buckets(policy, self.settings.read_buckets)
        self._logs.grant_read(policy)
        return policy

    @property
    def tags(self) -> dict[str, str]:
        """Tags without which members of the project may not end a job."""
        return {objects.TAG_ENVIRONMENT: self._environment.name, objects.TAG_PROJECT: self._name}

    def target(self, queue_name: str, queue: JobQueue) -> Target:
        """Return the queue with its default definition."""
        settings = self._environment.queues[queue_name]
        return Target(
            queue=queue.arn,
            definition=self.definitions[settings.default_definition].arn,
            share_identifier=self._share_identifier if settings.fair_share else None,
        )

    def grant_submit(self, policy: iam.ManagedPolicy, queues: list[str]) -> None:
        """Grant submitting jobs of the project to queues, and ending such jobs.

        SubmitJob with tags requires TagResource on queue and definition as well as on the job
        (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html)."""
        stack = cdk.Stack.of(self)
        names = [definition_name(self._environment.name, self._name, item) for item in self.definitions]
        definitions = [
            stack.format_arn(service="batch", resource="job-definition", resource_name=name + revision)
            for name in names
            for revision in ("", ":*")
        ]
        if self.settings.own_images:
            definitions.append(own_definitions(stack, self._environment.name, self._name))
        project_tag = {f"aws:RequestTag/{objects.TAG_PROJECT}": self._name}
        # An account may hold several environments, with projects of the same name.
        same_environment = {f"aws:ResourceTag/{objects.TAG_ENVIRONMENT}": self._environment.name}
        share = self._share_identifier
        own_share = {"batch:ShareIdentifier": share} if share else {}
        condition = {"StringEqualsIfExists": {**project_tag, **own_share}}
        # One statement for both actions: listed twice, queues and definitions would not fit into a policy.
        allow(policy, "Submit", ["batch:SubmitJob", "batch:TagResource"], [*definitions, *queues], condition)
        # IAM's reference lists the job, which has the share, along with definition and queue; AWS's examples do not.
        allow(policy, "SubmitAsJob", ["batch:SubmitJob"], [self._jobs], condition)
        allow(
            policy,
            "TagOwnJobs",
            ["batch:TagResource"],
            [self._jobs],
            {
                "StringEquals": project_tag,
                "StringEqualsIfExists": {f"aws:ResourceTag/{objects.TAG_PROJECT}": self._name, **same_environment},
            },
        )
        allow(
            policy,
            "EndOwnJobs",
            ["batch:CancelJob", "batch:TerminateJob"],
            [self._jobs],
            {
                "StringEquals": {f"aws:ResourceTag/{objects.TAG_PROJECT}": self._name},
                "StringEqualsIfExists": same_environment,
            },
        )

    def _allow_follow(self, policy: iam.ManagedPolicy) -> None:
        """Grant Batch's read actions, which have no resource-level permissions."""
        allow(
            policy,
            "FollowJobs",
            [
                "batch:DescribeComputeEnvironments",
                "batch:DescribeJobDefinitions",
                "batch:DescribeJobQueues",
                "batch:DescribeJobs",
                "batch:ListJobs",
            ],
            ["*"],
        )
        grant_read_contract(policy, self._environment.name)

    @property
    def _share_identifier(self) -> str | None:
        environment = self._environment
        return environment.share_identifier(self._name) if environment.has_fair_share else None

    @property
    def _jobs(self) -> str:
        return cdk.Stack.of(self).format_arn(service="batch", resource="job", resource_name="*")
