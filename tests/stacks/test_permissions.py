"""Permissions of roles and policies, and their limits."""

import fnmatch
from typing import Any

import pytest

from hpc_constructs.config import Environment


def text(value: Any) -> str:
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return separator.join(text(part) for part in parts)
        case {"Ref": name} | {"Fn::ImportValue": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
    raise AssertionError(value)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(statements: list[dict[str, Any]]) -> set[str]:
    return {action for item in statements for action in listed(item["Action"])}


def resources(statements: list[dict[str, Any]], action: str) -> list[str]:
    """Resources on which a policy allows the action."""
    return [
        text(resource)
        for item in statements
        if any(fnmatch.fnmatch(action, pattern) for pattern in listed(item["Action"]))
        for resource in listed(item["Resource"])
    ]


def policies(stacks: Any) -> dict[str, list[dict[str, Any]]]:
    found = stacks.compute.of("AWS::IAM::ManagedPolicy")
    return {key: item["PolicyDocument"]["Statement"] for key, item in found.items()}


def projects(environment: Environment) -> list[str]:
    return list(environment.projects)


def test_every_role_has_exactly_one_managed_policy_and_no_inline_one(stacks: Any) -> None:
    roles = stacks.compute.of("AWS::IAM::Role")
    workflows = sum(project.workflow is not None for project in stacks.environment.projects.values())
    assert len(roles) == 2 + len(stacks.environment.projects) + workflows
    attached = [
        reference["Ref"]
        for item in stacks.compute.of("AWS::IAM::ManagedPolicy").values()
        for reference in item.get("Roles", [])
    ]
    assert sorted(attached) == sorted(roles)
    for key, role in roles.items():
        assert not {"Policies", "ManagedPolicyArns"} & set(role), key
    for template in stacks.templates:
        assert not template.of("AWS::IAM::Policy")


def test_no_policy_has_a_wildcard_action(stacks: Any) -> None:
    for name, statements in policies(stacks).items():
        assert not [action for action in actions(statements) if "*" in action], name


EXECUTE_COMMAND = {
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
NO_RESOURCE_LEVEL = {
    # https://docs.aws.amazon.com/service-authorization/latest/reference/
    "batch:DescribeComputeEnvironments",
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobQueues",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "ec2:DescribeTags",
    "ecr:GetAuthorizationToken",
    "ecs:DiscoverPollEndpoint",
    *EXECUTE_COMMAND,
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
    *(f"logs:{verb}LogDelivery" for verb in ("Create", "Get", "Update", "Delete")),
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
}


def test_everything_is_limited_to_resources_where_iam_can(stacks: Any) -> None:
    for name, statements in policies(stacks).items():
        for item in statements:
            if "*" in listed(item["Resource"]):
                assert set(listed(item["Action"])) <= NO_RESOURCE_LEVEL, name


def test_nobody_but_developers_may_pass_roles_register_definitions_or_change_the_platform(stacks: Any) -> None:
    for name, statements in policies(stacks).items():
        if "Developer" in name:
            continue
        for action in actions(statements):
            assert not action.startswith("iam:"), name
            verb = action.removeprefix("batch:")
            assert action == verb or not verb.startswith(("Create", "Update", "Delete", "Register", "Deregister"))


def test_containers_are_trusted_from_this_account_only(stacks: Any) -> None:
    trusted = [item["AssumeRolePolicyDocument"]["Statement"] for item in stacks.compute.of("AWS::IAM::Role").values()]
    services = [statement["Principal"]["Service"] for (statement,) in trusted]
    assert set(services) - {"states.amazonaws.com"} == {"ec2.amazonaws.com", "ecs-tasks.amazonaws.com"}
    for (statement,) in trusted:
        if statement["Principal"]["Service"] == "ecs-tasks.amazonaws.com":
            condition = statement["Condition"]
            assert "aws:SourceAccount" in condition["StringEquals"]
            assert ":ecs:" in text(condition["ArnLike"]["aws:SourceArn"])


CONFUSED_DEPUTY_SAFE = {"ecs-tasks.amazonaws.com", "states.amazonaws.com", "vpc-flow-logs.amazonaws.com"}
"""Services that name the account for which they assume a role; EC2 does not for instances
(https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html)."""


def test_roles_are_taken_on_behalf_of_this_account_wherever_the_service_says_so(stacks: Any) -> None:
    for template in stacks.templates:
        for key, role in template.of("AWS::IAM::Role").items():
            (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
            service = statement["Principal"]["Service"]
            if service == "ec2.amazonaws.com":
                continue
            assert service in CONFUSED_DEPUTY_SAFE, key
            assert statement["Condition"]["StringEquals"]["aws:SourceAccount"], key
            assert text(statement["Condition"]["ArnLike"]["aws:SourceArn"]).startswith("arn:"), key


def test_a_job_reads_and_writes_below_its_projects_prefix_only(stacks: Any) -> None:
    for project in projects(stacks.environment):
        statements = stacks.policy(f"Projects{project}Job")
        (objects,) = resources(statements, "s3:PutObject")
        assert objects.endswith(f"/{project}/*")
        (listing,) = [item for item in statements if item["Sid"] == "ProjectListing"]
        assert listing["Condition"] == {"StringLike": {"s3:prefix": [f"{project}/*"]}}


def test_a_job_deletes_nothing_and_calls_no_other_service(stacks: Any) -> None:
    for project in projects(stacks.environment):
        allowed = actions(stacks.policy(f"Projects{project}Job"))
        shell = any(item.enable_execute_command for item in stacks.environment.definitions.values())
        expected = {"s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket", "s3:PutObject"}
        mount = {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"}
        expected |= {"kms:Decrypt", "kms:GenerateDataKey"}
        expected |= mount if stacks.environment.file_system else set()
        assert allowed == expected | (EXECUTE_COMMAND if shell else set())


def test_the_key_is_used_by_s3_alone_and_by_jobs_and_submitters_alone(stacks: Any) -> None:
    region = stacks.environment.region or {"Ref": "AWS::Region"}
    service = (
        f"s3.{region}.amazonaws.com"
        if isinstance(region, str)
        else {"Fn::Join": ["", ["s3.", region, ".amazonaws.com"]]}
    )
    for project in projects(stacks.environment):
        for role in ("Job", "Submitter"):
            (use,) = [item for item in stacks.policy(f"Projects{project}{role}") if item["Sid"] == "KeyOfBucket"]
            assert use["Condition"] == {"StringEquals": {"kms:ViaService": service}}
    for role in ("InstanceRole", "ExecutionRole"):
        assert not any(action.startswith("kms:") for action in actions(stacks.policy(role)))


def test_read_buckets_are_read_only_and_for_their_project_only(wide: Any) -> None:
    statements = wide.policy("ProjectsalphaJob")
    assert any(item.endswith(":s3:::reference-genomes/*") for item in resources(statements, "s3:GetObject"))
    assert not any("reference-genomes" in item for item in resources(statements, "s3:PutObject"))
    assert not any("reference-genomes" in item for item in resources(wide.policy("ProjectsbetaJob"), "s3:GetObject"))


def test_instances_have_no_rights_to_data(stacks: Any) -> None:
    services = {action.partition(":")[0] for action in actions(stacks.policy("InstanceRole"))}
    assert services == {"ec2", "ecs", "ecr", "logs"}


def test_instances_can_do_what_the_ecs_agent_does(stacks: Any) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/instance_IAM_role.html"""
    needed = {
        "ec2:DescribeTags",
        "ecs:DeregisterContainerInstance",
        "ecs:DiscoverPollEndpoint",
        "ecs:Poll",
        "ecs:RegisterContainerInstance",
        "ecs:StartTelemetrySession",
        "ecs:SubmitAttachmentStateChanges",
        "ecs:SubmitContainerStateChange",
        "ecs:SubmitTaskStateChange",
        "ecs:UpdateContainerInstancesState",
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    assert needed <= actions(stacks.policy("InstanceRole"))


@pytest.mark.parametrize("role", ["InstanceRole", "ExecutionRole"])
def test_logs_go_to_our_group_and_images_come_from_our_repository(stacks: Any, role: str) -> None:
    statements = stacks.policy(role)
    assert all("LogsGroup" in item and item.endswith(":*") for item in resources(statements, "logs:PutLogEvents"))
    others = [item.image.partition("/")[2] for item in stacks.environment.definitions.values() if item.image]
    named = [f":repository/{name.partition('@')[0]}" for name in others if name]
    for item in resources(statements, "ecr:BatchGetImage"):
        assert "Images" in item or item.endswith(tuple(named))
    assert not resources(statements, "ecr:PutImage")
    assert not resources(statements, "logs:CreateLogGroup")


def test_a_submitter_submits_any_revision_of_the_projects_definitions_to_the_queues(stacks: Any) -> None:
    for project in projects(stacks.environment):
        targets = resources(stacks.policy(f"Projects{project}Submitter"), "batch:SubmitJob")
        name = f"hpc-{stacks.environment.name}-{project}-task"
        assert any(item.endswith(f":job-definition/{name}") for item in targets)
        assert any(item.endswith(f":job-definition/{name}:*") for item in targets)
        assert sum(item.endswith(".JobQueueArn>") for item in targets) == len(stacks.environment.queues)


def test_a_submitter_does_not_submit_other_projects_definitions(wide: Any) -> None:
    targets = resources(wide.policy("ProjectsalphaSubmitter"), "batch:SubmitJob")
    assert not [item for item in targets if "-beta-" in item]
    assert not [item for item in targets if item.endswith(("job-definition/*", "job-queue/*"))]


def test_a_submitter_ends_jobs_of_the_project_only(stacks: Any) -> None:
    for project in projects(stacks.environment):
        own = {"aws:ResourceTag/hpc:project": project}
        same_environment = {"aws:ResourceTag/hpc:environment": stacks.environment.name}
        for item in stacks.policy(f"Projects{project}Submitter"):
            if set(listed(item["Action"])) & {"batch:TerminateJob", "batch:CancelJob"}:
                assert item["Condition"] == {"StringEquals": own, "StringEqualsIfExists": same_environment}
            if "batch:TagResource" in listed(item["Action"]):
                on_jobs = any(text(resource).endswith(":job/*") for resource in listed(item["Resource"]))
                condition = item["Condition"]["StringEquals" if on_jobs else "StringEqualsIfExists"]
                assert condition["aws:RequestTag/hpc:project"] == project
                if on_jobs:
                    assert item["Condition"]["StringEqualsIfExists"] == own | same_environment


def test_a_submitter_reads_the_contract_and_no_other_parameter(stacks: Any) -> None:
    for project in projects(stacks.environment):
        names = resources(stacks.policy(f"Projects{project}Submitter"), "ssm:GetParametersByPath")
        assert {item.partition(":parameter/")[2] for item in names} == {
            "hpc",
            f"hpc/{stacks.environment.name}",
            f"hpc/{stacks.environment.name}/*",
        }


def test_policies_for_people_are_attached_to_nobody_and_printed(stacks: Any) -> None:
    found = set()
    for template in stacks.templates:
        for key, item in template.of("AWS::IAM::ManagedPolicy").items():
            kind = next((kind for kind in ("Submitter", "Developer", "Operators") if kind in key), None)
            if kind:
                found.add(kind)
                assert not {"Roles", "Users", "Groups"} & set(item)
                assert {"Ref": key} in [output["Value"] for output in template.raw["Outputs"].values()]
    own_images = any(project.own_images for project in stacks.environment.projects.values())
    assert found == {"Submitter", "Operators", *(["Developer"] if own_images else [])}


def test_arns_work_in_every_partition(dev: Any) -> None:
    for template in dev.templates:
        assert "arn:aws:" not in template.path.read_text()


def test_the_execution_role_reads_the_secrets_of_the_definitions_and_no_others(wide: Any, dev: Any) -> None:
    statements = wide.policy("ExecutionRole")
    assert resources(statements, "secretsmanager:GetSecretValue") == [
        "arn:aws:secretsmanager:us-east-2:123456789012:secret:license-AbCdEf"
    ]
    assert resources(statements, "ssm:GetParameters") == ["arn:aws:ssm:us-east-2:123456789012:parameter/team/token"]
    assert not [action for action in actions(dev.policy("ExecutionRole")) if action.startswith(("secrets", "ssm"))]


@pytest.mark.parametrize("role", ["ExecutionRole", "InstanceRole"])
def test_images_of_other_repositories_can_be_pulled_from_those_that_are_named(wide: Any, role: str) -> None:
    *own, other = resources(wide.policy(role), "ecr:BatchGetImage")
    assert len(own) == 2
    assert other.endswith(":ecr:us-east-2:210987654321:repository/team/tool")


def test_jobs_talk_to_session_manager_only_where_a_definition_lets_a_shell_in(wide: Any, dev: Any) -> None:
    channels = {action for action in actions(wide.policy("ProjectsalphaJob")) if action.startswith("ssm")}
    assert channels == EXECUTE_COMMAND
    assert not {action for action in actions(dev.policy("ProjectsdefaultJob")) if action.startswith("ssm")}
