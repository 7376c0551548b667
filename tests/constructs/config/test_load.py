"""Loading of a file into a frozen object, or a list of all problems."""

import os
import shutil
from pathlib import Path

import pytest

from hpc_constructs.config import ConfigError, Environment, available, load, parse

ENVIRONMENTS = Path(__file__).parents[3] / "environments"


def complaints(text: str, **options: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="environments/x.yaml", name="x", **options)
    return str(caught.value).splitlines()


def config(text: str, **options: object) -> Environment:
    return parse(text, file="environments/x.yaml", name="x", **options)


@pytest.mark.parametrize("name", available(ENVIRONMENTS))
def test_every_environment_of_the_repository_loads(name: str) -> None:
    assert load(ENVIRONMENTS, name).name == name


def test_an_empty_file_gives_the_whole_default_platform() -> None:
    environment = config("")
    assert list(environment.queues) == ["loosely-coupled", "on-demand", "tightly-coupled"]
    assert environment.queues["loosely-coupled"].compute_environments == ("spot", "on-demand")
    assert environment.compute_environments["efa"].instance_types == ("c5n.18xlarge",)
    assert environment.removal == "retain"
    assert environment.default_project == "default"


def test_a_heading_with_nothing_below_says_nothing() -> None:
    assert config("network:\nqueues:\n") == config("")


def test_an_entry_changes_only_the_keys_that_it_gives() -> None:
    spot = config("compute_environments: {spot: {max_vcpus: 64}}").compute_environments["spot"]
    assert (spot.max_vcpus, spot.purchasing) == (64, "spot")


def test_null_leaves_a_default_entry_out() -> None:
    text = "compute_environments: {efa: null}\nqueues: {tightly-coupled: null}\ndefinitions: {mpi: null}\n"
    environment = config(text)
    assert list(environment.compute_environments) == ["spot", "on-demand"]
    assert list(environment.definitions) == ["task"]


def test_a_project_without_settings_needs_none() -> None:
    assert list(config("projects:\n  alpha:\n  beta:\n").projects) == ["alpha", "beta"]


def test_the_first_project_is_the_default_one() -> None:
    assert config("projects: {zeta: {}, alpha: {}}").default_project == "zeta"


def test_the_object_is_frozen_throughout() -> None:
    environment = config("")
    with pytest.raises(ValueError, match="frozen"):
        environment.removal = "destroy"  # type: ignore[misc]
    with pytest.raises(TypeError):
        environment.queues["new"] = environment.queues["on-demand"]  # type: ignore[index]


def test_the_digest_of_the_command_line_wins_over_the_file() -> None:
    old, new = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    assert config(f"image: {{digest: '{old}'}}").image.digest == old
    assert config(f"image: {{digest: '{old}'}}", image_digest=new).image.digest == new


def test_a_digest_that_is_none_is_refused_by_the_name_of_the_option() -> None:
    (line,) = complaints("", image_digest="latest")
    assert line.startswith("-c image_digest: 'latest' given; allowed: sha256: and 64 hexadecimal digits; fix: ")


def test_an_account_may_be_written_without_quotes() -> None:
    assert config("account: 012345678901").account == "012345678901"
    assert config("account: 123456789012").account == "123456789012"


def test_all_errors_come_at_once_in_the_order_of_the_file() -> None:
    lines = complaints(
        "removal: never\n"
        "network:\n"
        "  zones: two\n"
        "queues:\n"
        "  loosely-coupled:\n"
        "    compute_environments: [spto]\n"
        "definitions:\n"
        "  task:\n"
        "    attempts: 11\n"
    )
    assert [line.partition(": ")[0] for line in lines] == [
        "environments/x.yaml:1",
        "environments/x.yaml:3",
        "environments/x.yaml:6",
        "environments/x.yaml:9",
    ]


def test_an_error_says_file_line_rule_value_allowed_and_fix() -> None:
    assert complaints("compute_environments:\n  efa:\n    instance_types: [c5n.19xlarge]\n") == [
        "environments/x.yaml:3: HPC213 compute_environments.efa.instance_types[0]: 'c5n.19xlarge' given; "
        "allowed: c5n.large, c5n.xlarge, c5n.2xlarge, c5n.4xlarge, c5n.9xlarge, c5n.18xlarge, c5n.metal; "
        "fix: choose one of these"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("remval: destroy", "unknown key 'remval' given; allowed: region, "),
        ("remval: destroy", "fix: write 'removal'"),
        ("network: {cdir: 10.0.0.0/16}", "fix: write 'cidr'"),
        ("compute_environments: {spot: {max_vcpu: 1}}", "fix: write 'max_vcpus'"),
        ("network: {zones: '2'}", "network.zones: '2' given; allowed: a whole number"),
        ("network: {zones: 5}", "5 given; allowed: at most 4; fix: change it, or remove it for the default, 2"),
        ("network: {cidr: 8.8.0.0/16}", "allowed: a private IPv4 block of /16 to /20"),
        ("network: {cidr: 10.0.0.1/16}", "allowed: a private IPv4 block of /16 to /20"),
        ("network: [1]", "network: a list given; allowed: a mapping"),
        ("network: {zone_ids: [us-east-1a]}", "'us-east-1a' given; allowed: a zone id such as use1-az6"),
        ("logs: {retention_days: 10}", "allowed: 1, 3, 5, 7, 14, 30"),
        ("image: {digest: latest}", "'latest' given; allowed: sha256: and 64 hexadecimal digits"),
        ("projects: {}", "allowed: at least 1 of them"),
        ("projects: {My Team: {}}", "'My Team' given; allowed: a lower-case letter, then"),
        ("projects: {a: {read_buckets: [x, x, x]}}", "allowed: a bucket name"),
        ("projects: {a: {read_buckets: [abc, abc]}}", "allowed: each entry once"),
        ("account: 12", "'12' given; allowed: 12 digits"),
        ("region: mars", "'mars' given; allowed: a region such as us-east-1"),
        ("queues: {new: {}}", "queues.new.compute_environments: nothing given; allowed: a value; fix: add"),
        ("queues: {new: null}", "queues.new: nothing given; allowed: a mapping"),
        ("compute_environments: {spot: {instance_types: []}}", "allowed: at least 1 of them"),
        ("compute_environments: {spot: {instance_types: [t3.large]}}", "Batch launches no burstable types"),
        ("compute_environments: {spot: {root_volume_gib: 30}}", "30 given; allowed: at least 100"),
        ("compute_environments: {spot: {efa: 'yes'}}", "'yes' given; allowed: true or false"),
        ("definitions: {task: {timeout_s: 30}}", "30 given; allowed: at least 60"),
        ("name: y", "name: 'y' given; allowed: no name; fix: remove it"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_file(text: str, expected: str) -> None:
    lines = complaints(text)
    assert any(expected in line for line in lines), lines
    assert all(line.startswith("environments/x.yaml:1: ") for line in lines), lines


def test_a_wrong_list_entry_is_one_error_not_two() -> None:
    assert len(complaints("compute_environments: {spot: {instance_types: [nope]}}")) == 1


def test_a_reference_to_a_wrong_entry_is_no_second_error() -> None:
    (line,) = complaints("compute_environments:\n  spot: 5\n")
    assert line.startswith("environments/x.yaml:2: compute_environments.spot: 5 given; allowed: a mapping; ")


@pytest.mark.parametrize("name", [None, "", "nope", "../dev", 5, ["dev"]])
def test_an_environment_that_does_not_exist_lists_those_that_do(name: object) -> None:
    with pytest.raises(ConfigError) as caught:
        load(ENVIRONMENTS, name)
    assert f"allowed: {', '.join(available(ENVIRONMENTS))}; fix: " in str(caught.value)
    assert "fix: write -c env=" in str(caught.value)


def test_a_misspelt_environment_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="fix: write -c env=minimal"):
        load(ENVIRONMENTS, "minimla")


def test_a_file_name_that_cannot_name_stacks_is_refused(tmp_path: Path) -> None:
    shutil.copy(ENVIRONMENTS / "minimal.yaml", tmp_path / "My Env.yaml")
    with pytest.raises(ConfigError, match="'My Env' given; allowed: a lower-case letter"):
        load(tmp_path, "My Env")


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(os.fsencode("# caf") + b"\xe9\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml:1: byte 5, not UTF-8 given"):
        load(tmp_path, "bad")
