"""Without internet access, everything that containers need at start has an endpoint."""

import pytest

from hpc_constructs.config import ConfigError, parse

DIGEST = f"sha256:{'0' * 64}"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:license-AbCdEf"
PARAMETER = "arn:aws:ssm:us-east-1:123456789012:parameter/team/token"
ECR = "210987654321.dkr.ecr.us-east-1.amazonaws.com/team/tool"
ISOLATED = "region: us-east-1\nnetwork: {egress: endpoints}\n"


def task(settings: str, before: str = ISOLATED) -> str:
    return f"{before}definitions: {{task: {{{settings}}}}}\n"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (f"secrets: {{KEY: {SECRET}}}", "HPC224 definitions.task.secrets.KEY: use of secretsmanager with egress"),
        (f"secrets: {{KEY: {PARAMETER}}}", "fix: add ssm to network.extra_endpoints"),
        ("enable_execute_command: true", "fix: add ssmmessages to network.extra_endpoints"),
        (f"image: docker.io/library/python@{DIGEST}", "HPC225 definitions.task.image: registry docker.io with egress"),
        (f"image: public.ecr.aws/docker/library/python@{DIGEST}", "registry public.ecr.aws with egress: endpoints"),
        (f"image: {ECR.replace('us-east-1', 'us-west-2')}@{DIGEST}", "region us-west-2 with egress: endpoints given"),
    ],
)
def test_is_refused_without_internet_and_accepted_with_it(settings: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(task(settings), file="environments/x.yaml", name="x")
    (line,) = str(caught.value).splitlines()
    assert expected in line
    parse(task(settings, before="region: us-east-1\n"), file="environments/x.yaml", name="x")


def test_a_secret_of_another_region_is_out_of_reach() -> None:
    text = task(f"secrets: {{KEY: {SECRET.replace('us-east-1', 'us-west-2')}}}")
    text = text.replace("endpoints}", "endpoints, extra_endpoints: [secretsmanager]}")
    with pytest.raises(ConfigError, match=r"secrets\.KEY: region us-west-2 with egress: endpoints given; allowed: us-"):
        parse(text, file="environments/x.yaml", name="x")


@pytest.mark.parametrize(
    "settings",
    [
        f"image: '{DIGEST}'",
        f"image: {ECR}@{DIGEST}",
        f"secrets: {{KEY: {SECRET}, OTHER: {PARAMETER}}}, enable_execute_command: true",
    ],
)
def test_is_accepted_with_its_endpoints(settings: str) -> None:
    text = task(settings).replace("endpoints}", "endpoints, extra_endpoints: [secretsmanager, ssm, ssmmessages]}")
    assert parse(text, file="environments/x.yaml", name="x").name == "x"


def test_without_a_region_in_the_file_any_one_may_be_meant() -> None:
    text = task(f"image: {ECR}@{DIGEST}", before="network: {egress: endpoints}\n")
    assert parse(text, file="environments/x.yaml", name="x").region is None
