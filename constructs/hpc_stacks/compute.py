"""Compute stack: compute environments, queues, job definitions and roles, which change often, and the contract."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from hpc.contract import objects
from hpc.contract.version import VERSION
from hpc_constructs import stack_reference
from hpc_constructs.access.permissions import WorkloadRole, ecs_tasks_principal
from hpc_constructs.access.secrets import grant_read_secrets
from hpc_constructs.compute.compute_environment import ComputeEnvironment, Placement
from hpc_constructs.compute.instance_role import InstanceRole
from hpc_constructs.compute.job_queue import JobQueue
from hpc_constructs.config import Environment
from hpc_constructs.config.sizing import is_multi_node, secret_arns, update_timeout_minutes
from hpc_constructs.projects.project import Project
from hpc_constructs.projects.workflow import Workflow
from hpc_constructs.publication import Publication
from hpc_constructs.storage.image_repository import grant_pull, grant_pull_others, grant_pull_sources
from hpc_stacks.environment import EnvironmentStack, tags_of
from hpc_stacks.foundation import FoundationStack

NO_IMAGE = "not-pushed-yet"
"""Image tag in job definitions before the first push; no image is ever pushed with it."""


class ComputeStack(EnvironmentStack):
    """Compute environments, queues, job definitions and the roles of jobs."""

    def __init__(self, scope: Construct, *, environment: Environment, foundation: FoundationStack) -> None:
        super().__init__(
            scope,
            "Compute",
            environment=environment,
            description="compute environments, queues, job definitions, contract",
        )
        self._foundation = foundation
        self._publication = Publication(self, "Contract", environment=environment.name)
        queues = self._queues(self._compute_environments())
        self._workflows(self._projects(list(queues.values())), queues)
        self._publish_meta()

    def _compute_environments(self) -> dict[str, ComputeEnvironment]:
        environment, network = self._environment, self._foundation.network
        role = InstanceRole(self, "InstanceRole", logs=self._foundation.logs)
        self._grant_pull(role)
        placement = Placement(
            subnet_ids=tuple(network.subnet_ids),
            egress_group_id=network.egress_group.security_group_id,
            nodes_group_id=network.nodes_group.security_group_id,
        )
        scope = Construct(self, "ComputeEnvironments")
        return {
            name: ComputeEnvironment(
                scope,
                name,
                settings=settings,
                multi_node=is_multi_node(environment, name),
                placement=placement,
                instance_role=role,
                update_timeout_minutes=update_timeout_minutes(environment),
                ami_refresh=environment.ami_refresh,
                file_system=environment.file_system is not None,
                tags={**tags_of(environment), "Name": f"hpc-{environment.name}-{name}"},
            )
            for name, settings in environment.compute_environments.items()
        }

    def _queues(self, compute_environments: dict[str, ComputeEnvironment]) -> dict[str, JobQueue]:
        scope = Construct(self, "Queues")
        queues = {
            name: JobQueue(scope, name, settings=settings, compute_environments=compute_environments)
            for name, settings in self._environment.queues.items()
        }
        for name, queue in queues.items():
            self._publication.queue(queue.published(name, self._environment))
            stack_reference.publish(
                scope,
                f"{name}-arn",
                environment=self._environment.name,
                reference=stack_reference.queue(name),
                what="a job queue",
                arn=queue.arn,
            )
        stack_reference.publish(
            scope,
            "log-group-arn",
            environment=self._environment.name,
            reference=stack_reference.LOG_GROUP,
            what="the jobs' log group",
            arn=self._foundation.logs.arn,
        )
        return queues

    def _projects(self, queues: list[JobQueue]) -> dict[str, Project]:
        foundation = self._foundation
        execution_role = WorkloadRole(
            self,
            "ExecutionRole",
            principal=ecs_tasks_principal(self),
            description="ECS on behalf of HPC containers: images and logs",
        )
        self._grant_pull(execution_role)
        foundation.logs.grant_write(execution_role.policy)
        grant_read_secrets(execution_role.policy, secret_arns(self._environment))
        scope = Construct(self, "Projects")
        projects = dict[str, Project]()
        for name in self._environment.projects:
            projects[name] = project = Project(
                scope,
                name,
                environment=self._environment,
                image=self._image or f"{foundation.images.uri}:{NO_IMAGE}",
                images=foundation.images,
                own_repository=foundation.own_images.get(name),
                bucket=foundation.data,
                logs=foundation.logs,
                execution_role=execution_role,
                file_system=foundation.file_system,
            )
            # Deleting a queue ends its jobs, which then save their files and still write logs.
            for role in (project.job_role, execution_role):
                role.outlive(*(queue.resource for queue in queues))
            policies = {
                "Submitter": (project.submitter_policy(queues), "submitters"),
                "Developer": (project.developer_policy(), "developers"),
            }
            self._publication.project(project.published())
            for definition in project.definitions.values():
                self._publication.definition(definition.published())
            for kind, (policy, people) in policies.items():
                if policy:
                    cdk.CfnOutput(
                        self,
                        f"{kind}Policy-{name}",
                        value=policy.managed_policy_arn,
                        description=f"Managed policy for {people} of project {name}",
                    )
        return projects

    def _workflows(self, projects: dict[str, Project], queues: dict[str, JobQueue]) -> None:
        environment, foundation = self._environment, self._foundation
        scope = Construct(self, "Workflows")
        for name, project in projects.items():
            settings = environment.projects[name].workflow
            if settings is None:
                continue
            single, multi_node = environment.workflow_queues(settings)
            workflow = Workflow(
                scope,
                name,
                project=project,
                single=project.target(single, queues[single]),
                multi_node=project.target(multi_node, queues[multi_node]),
                bucket=foundation.data.name,
                retention_days=environment.logs.retention_days,
                key=foundation.key,
                removal=self._removal,
            )
            cdk.CfnOutput(self, f"Workflow-{name}", value=workflow.arn, description=f"State machine of project {name}")
            cdk.CfnOutput(
                self,
                f"WorkflowPolicy-{name}",
                value=workflow.runners.managed_policy_arn,
                description=f"Managed policy for users who start the workflow of project {name}",
            )

    def _grant_pull(self, role: WorkloadRole | InstanceRole) -> None:
        """Grant pull access to every image that a job definition of this environment may name."""
        environment, policy = self._environment, role.policy
        grant_pull(policy, [self._foundation.images, *self._foundation.own_images.values()])
        grant_pull_others(policy, [item.image for item in environment.definitions.values()])
        grant_pull_sources(policy, [source for item in environment.projects.values() for source in item.image_sources])

    def _publish_meta(self) -> None:
        foundation, environment = self._foundation, self._environment
        self._publication.meta(
            objects.Meta(
                version=VERSION,
                environment=environment.name,
                bucket=foundation.data.name,
                log_group=foundation.logs.name,
                repository=foundation.images.uri,
                image=self._image,
                default_project=environment.default_project,
            )
        )

    @property
    def _image(self) -> str | None:
        """The image by digest; None until one has been pushed."""
        digest = self._environment.image.digest
        return f"{self._foundation.images.uri}@{digest}" if digest else None
