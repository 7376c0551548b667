"""The catalogue is whole, true of the source, and documented."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import ENVIRONMENTS
from hpc_constructs.config import ConfigError, available, checks, parse
from hpc_constructs.config.checks.rule import Check
from hpc_constructs.rules.batch_model import Platform
from hpc_constructs.rules.catalogue import catalogue, pitfalls
from hpc_constructs.rules.finding import CHECKS, findings
from hpc_constructs.rules.relations.definitions import NOT_PUSHED_YET
from hpc_constructs.rules.templates import Templates
from hpc_constructs.rules.validation_plugin import GUARD, guard_sources
from hpc_stacks.compute import NO_IMAGE
from tools.rules import DOCUMENT, counts, document

RULES = list(catalogue().values())
MODULES = [
    importlib.import_module(f"{checks.__name__}.{path.stem}")
    for path in Path(checks.__file__).parent.glob("*.py")
    if path.stem not in {"__init__", "rule"}
]

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:license-AbCdEf"
WRONG = {
    "HPC201": "network: {zones: 3, zone_ids: [use1-az1, use1-az2]}",
    "HPC202": "compute_environments: {spot: {instance_types: [c7i.48xlarge], max_vcpus: 100}}",
    "HPC203": "compute_environments: {on-demand: {allocation_strategy: SPOT_CAPACITY_OPTIMIZED}}",
    "HPC204": "compute_environments: {on-demand: {instance_types: [c6i, g5]}}",
    "HPC205": "compute_environments: {efa: {instance_types: [hpc6id.32xlarge], max_vcpus: 640}}\n"
    "network: {zone_ids: [use2-az2]}",
    "HPC206": "compute_environments: {on-demand: {instance_types: [hpc7a.12xlarge]}}",
    "HPC207": "queues: {on-demand: {compute_environments: [nowhere]}}",
    "HPC208": "compute_environments: {idle: {}}",
    "HPC209": "compute_environments: {spot: {instance_types: [default_arm64]}}",
    "HPC210": "compute_environments: {efa: {max_vcpus: 72}}",
    "HPC211": "compute_environments: {more: {instance_types: [c6in.32xlarge], efa: true, max_vcpus: 512}}\n"
    "queues: {more: {kind: multi-node, compute_environments: [more]}}",
    "HPC212": "definitions: {mpi: {vcpus: 100}}",
    "HPC213": "compute_environments: {spot: {instance_types: [t3.large]}}",
    "HPC214": "compute_environments: {spot: {root_volume_throughput_mib_s: 1000}}",
    "HPC215": "compute_environments: {spot: {instance_types: [c6i], scratch: instance-store}}",
    "HPC216": f"compute_environments: {{spot: {{user_data: ['echo {'x' * 8192}']}}}}",
    "HPC217": f"definitions: {{task: {{secrets: {{HPC_KEY: {SECRET}}}}}}}",
    "HPC218": "definitions: {task: {tmpfs: {/tmp: 2048}}}",
    "HPC219": "definitions: {task: {read_only_root: true}}",
    "HPC220": "network: {extra_endpoints: [batch]}",
    "HPC221": "network: {vpc_id: vpc-0123456789abcdef0}",
    "HPC222": "network: {vpc_id: vpc-0123456789abcdef0, subnet_ids: [subnet-0aaaaaaaaaaaaaaa1],"
    " efa_subnet_id: subnet-0aaaaaaaaaaaaaaa2}",
    "HPC223": "projects: {a-b: {}, ab: {}}",
    "HPC224": "network: {egress: endpoints}\ndefinitions: {task: {enable_execute_command: true}}",
    "HPC225": "network: {egress: endpoints}\n"
    f"definitions: {{task: {{image: public.ecr.aws/docker/library/busybox@sha256:{'0' * 64}}}}}",
    "HPC226": "projects: {team: {image_sources: [public.ecr.aws/biocontainers]}}",
    "HPC227": "projects: {team: {workflow: {queue: tightly-coupled}}}",
}
"""A YAML file for each rule of configuration that breaks only that rule."""


@pytest.mark.parametrize("environment", available(ENVIRONMENTS))
def test_the_good_templates_have_no_finding(environment: str, good: dict[str, dict[str, Any]], guard: Any) -> None:
    templates = good[environment]
    assert list(findings(Platform(Templates(templates)))) == []
    assert guard(list(templates)) == []


def test_every_queue_of_the_good_templates_is_known_with_its_definition(good: dict[str, dict[str, Any]]) -> None:
    """Otherwise every rule about queues would hold because there are none."""
    for templates in good.values():
        queues = Platform(Templates(templates)).queues
        assert queues
        for queue in queues:
            assert queue.kind
            assert queue.definitions
            assert queue.compute_environments
            for item in queue.compute_environments:
                assert item.types
                assert item.launch_template
                assert item.subnets
                assert item.groups
                assert item.instance_role


@pytest.mark.parametrize("rule", sorted(WRONG))
def test_a_wrong_file_trips_exactly_its_rule_and_says_so(rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(WRONG[rule], file="environments/x.yaml", name="x")
    assert [item.problem.rule for item in caught.value.problems] == [rule]
    assert re.match(rf"environments/x\.yaml:\d+: {rule} ", str(caught.value))


def test_every_rule_of_configuration_has_a_wrong_file_and_a_check_of_the_name_that_the_catalogue_says() -> None:
    rules = {rule.id: rule.check for rule in RULES if rule.kind == "configuration"}
    assert set(WRONG) == set(rules)
    checks = [item for module in MODULES for item in vars(module).values() if isinstance(item, Check)]
    found = [(item.rule, item.find.__name__) for item in checks]
    assert sorted([*found, ("HPC213", "models")]) == sorted(rules.items())


def test_nothing_is_checked_without_a_rule() -> None:
    for module in MODULES:
        for constant in {"CHECKS", "RELATIONS"} & set(vars(module)):
            for item in getattr(module, constant):
                assert isinstance(item, Check), f"{module.__name__}.{item.__name__}: add @check and a rule"


def test_every_rule_is_checked_in_one_place() -> None:
    in_guard = set(re.findall(r"^rule (HPC\d+)", "".join(path.read_text() for path in GUARD.glob("*.guard")), re.M))
    assert in_guard == {rule.id for rule in RULES if rule.guard}
    assert set(CHECKS) == {rule.id for rule in RULES if rule.kind != "configuration"} - in_guard


def test_guard_says_the_words_of_the_catalogue() -> None:
    """Every message, since Guard's findings have no other visible field."""
    text = "".join(source.content for source in guard_sources())
    assert "<<HPC" in text
    for message in re.findall(r"<<(.*?)>>", text):
        rule = catalogue()[message.split()[0]]
        assert message == f"{rule.id} {rule.title}: {rule.cause}. Fix: {rule.fix}; {rule.link}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_said_in_a_line_with_aws_own_page(rule: Any) -> None:
    for text in (rule.title, rule.cause, rule.fix):
        assert text
        assert "\n" not in text
        assert not text.endswith(".")
        assert ">>" not in text
    assert rule.link.startswith("https://docs.aws.amazon.com/")


def test_every_pitfall_is_covered_or_explained_by_rules_that_exist() -> None:
    for item in pitfalls():
        assert item.rules or item.otherwise, item.subject
        assert set(item.rules) <= set(catalogue()), item.subject


def test_the_tag_before_the_first_push_is_the_one_that_the_stacks_write() -> None:
    assert f":{NO_IMAGE}" == NOT_PUSHED_YET


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == document(), "run: make rules"


def test_the_list_names_every_rule_once_and_counts_them() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-m", "tools.rules"], cwd=root, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(catalogue())
    assert done.stderr.splitlines()[0] == counts()
