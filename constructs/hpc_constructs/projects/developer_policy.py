"""Managed policy for a project's developers: push images, and register job definitions that run them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc.contract import objects
from hpc_constructs.access.permissions import WorkloadRole, allow
from hpc_constructs.storage.image_repository import ImageRepository, grant_pull_sources


def own_definitions(stack: cdk.Stack, environment: str, project: str) -> str:
    """Return the ARN pattern of all job definitions, with their revisions, that a project's developers register."""
    return stack.format_arn(
        service="batch",
        resource="job-definition",
        resource_name=objects.own_definition_name(environment, project, "*"),
    )


class DeveloperPolicy(Construct):
    """Policy to attach in addition to the submitter policy.

    AWS Batch evaluates the conditions on a job definition's image, user and privilege for each of its containers, those
    of a multi-node definition too
    (https://docs.aws.amazon.com/batch/latest/userguide/iam-example-job-def-deny-all-image-logdriver.html). All of them
    require the key: none is `IfExists` or negated, so a definition without image, user or `privileged: false`, such as
    one for EKS, is refused.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: str,
        project: str,
        repository: ImageRepository,
        images: ImageRepository,
        sources: Sequence[str],
        roles: Iterable[WorkloadRole],
    ) -> None:
        """
        Args:
            repository: of the project.
            images: repository of the environment.
            sources: repositories, or folders of repositories, of which definitions may also name images by digest.
            roles: that definitions may name as job role and execution role.
        """
        super().__init__(scope, id)
        self._project = project
        self._definitions = own_definitions(cdk.Stack.of(self), environment, project)
        self.policy = iam.ManagedPolicy(
            self, "Policy", description=f"Push images of project {project}, register job definitions that run them"
        )
        self._allow_register([repository.uri, images.uri, *sources])
        self._allow_pass([role.arn for role in roles])
        repository.grant_push(self.policy)
        # To build images from the environment's image, and to resolve a tag to a digest.
        images.grant_use(self.policy)
        grant_pull_sources(self.policy, sources)

    def _allow_register(self, images: Iterable[str]) -> None:
        """Grant tagging of definitions with the project's tag, which allocates their costs
        (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html)."""
        tag = {f"aws:RequestTag/{objects.TAG_PROJECT}": self._project}
        allow(
            self.policy,
            "RegisterDefinitions",
            ["batch:RegisterJobDefinition"],
            [self._definitions],
            {
                "StringEquals": {"batch:User": objects.OWN_IMAGE_USER, **tag},
                "StringLike": {"batch:Image": [form for image in images for form in _by_digest(image)]},
                "Bool": {"batch:Privileged": "false"},
            },
        )
        allow(self.policy, "TagDefinitions", ["batch:TagResource"], [self._definitions], {"StringEquals": tag})
        allow(self.policy, "DeregisterDefinitions", ["batch:DeregisterJobDefinition"], [self._definitions])

    def _allow_pass(self, roles: list[str]) -> None:
        """Grant passing the roles to containers only, the only principal that the roles trust
        (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html)."""
        service = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        allow(self.policy, "PassRolesToContainers", ["iam:PassRole"], roles, service)


def _by_digest(image: str) -> tuple[str, str]:
    return f"{image}@sha256:*", f"{image}/*@sha256:*"
