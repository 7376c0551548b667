"""The settings of projects are consistent."""

import pytest

from hpc_constructs.config import ConfigError, parse

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:license-AbCdEf"
REST = "region: us-east-1\n"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (f"secrets: [{SECRET}]", "projects.climate.secrets: secrets without own_images given"),
        ("image_sources: [public.ecr.aws/biocontainers]", "projects.climate.image_sources: image_sources without"),
        ("own_images: true, secrets: [license]", "'license' given; allowed: the full ARN of a secret"),
        (f"own_images: true, secrets: [{SECRET}, {SECRET}]", "projects.climate.secrets: "),
    ],
)
def test_is_refused(settings: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"{REST}projects: {{climate: {{{settings}}}}}\n", file="environments/x.yaml", name="x")
    assert expected in str(caught.value)


def test_a_project_with_own_images_lists_secrets() -> None:
    text = f"{REST}projects: {{climate: {{own_images: true, secrets: [{SECRET}]}}}}\n"
    assert parse(text, file="environments/x.yaml", name="x").projects["climate"].secrets == (SECRET,)


def test_without_internet_a_projects_secrets_need_an_endpoint_too() -> None:
    text = f"{REST}network: {{egress: endpoints}}\nprojects: {{climate: {{own_images: true, secrets: [{SECRET}]}}}}\n"
    with pytest.raises(ConfigError, match=r"projects\.climate\.secrets\[0\]: use of secretsmanager with egress"):
        parse(text, file="environments/x.yaml", name="x")
