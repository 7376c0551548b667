"""Golden templates equal the deployed ones, and stateful resources keep their logical ids."""

import copy
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from tools import golden
from tools.synthesis import ROOT, Stacks, environments

ENVIRONMENTS = environments(ROOT)
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"Tags": [{"Key": "a", "Value": "b"}]}}
TEMPLATE = {
    "Resources": {
        "Data": {**BUCKET, "Metadata": {"aws:cdk:path": "S/Data"}},
        "CDKMetadata": {"Type": "AWS::CDK::Metadata"},
    },
    "Parameters": {"BootstrapVersion": {"Type": "String"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_templates_are_the_golden_ones(name: str, working_tree: dict[str, Stacks]) -> None:
    found = golden.differences(golden.GOLDEN / name, working_tree[name])
    assert not found, f"{found}\n\nIf this change is meant: make golden, and commit what it writes."


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_any_single_change_of_a_template_is_a_difference(name: str, working_tree: dict[str, Stacks]) -> None:
    folder = golden.GOLDEN / name
    kept = golden.golden(folder)
    for stack, template in working_tree[name].items():
        spoilt = golden.content(copy.deepcopy(template))
        assert golden.equal(spoilt, kept[stack])
        for change in islice(changes(spoilt), 0, None, 31):
            assert not golden.equal(golden.content(spoilt), kept[stack]), change
        assert golden.equal(spoilt, kept[stack]), "each change was taken back"
        next(changes(spoilt))
        assert golden.differences(folder, {**working_tree[name], stack: spoilt})


def changes(value: Any, path: str = "") -> Iterator[str]:
    """Make each change in turn, yield what it is, and take it back."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        kept = value[key]
        for other in ("something else", [kept], {"Ref": kept}):
            value[key] = other
            yield f"{path}/{key} is {other}"
        value[key] = kept
        before = copy.copy(value)
        del value[key]
        yield f"{path}/{key} is gone"
        _restore(value, before)
        if isinstance(kept, dict | list):
            inner = copy.copy(kept)
            if isinstance(kept, dict):
                kept["More"] = "more"
            else:
                kept.append("more")
            yield f"{path}/{key} has more"
            _restore(kept, inner)
            yield from changes(kept, f"{path}/{key}")


def _restore(value: Any, before: Any) -> None:
    value.clear()
    (value.update if isinstance(value, dict) else value.extend)(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_stateful_resource_changes_its_logical_id(name: str, working_tree: dict[str, Stacks]) -> None:
    lost = golden.lost_ids(golden.GOLDEN / name, working_tree[name])
    given = " ".join(line.split()[0] for line in lost)
    assert not lost, f'A deployment loses {lost}. If that is meant: make golden GIVE_UP="{given}"'


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_stateful_resource_is_listed(name: str, working_tree: dict[str, Stacks]) -> None:
    assert golden.listed_ids(golden.GOLDEN / name) == golden.stateful_ids(working_tree[name]), "make golden adds it"


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_golden_yaml_says_what_the_template_says(name: str, working_tree: dict[str, Stacks]) -> None:
    for template in working_tree[name].values():
        said = YAML(typ="safe").load(golden.render(golden.content(template)))
        assert said["Resources"] == {
            key: {field: value for field, value in item.items() if field != "Metadata"}
            for key, item in template["Resources"].items()
        }
        assert said.get("Outputs") == template.get("Outputs")


def test_there_are_golden_templates_of_exactly_the_environments() -> None:
    assert sorted(path.name for path in golden.GOLDEN.iterdir()) == ENVIRONMENTS


def test_golden_templates_hold_no_asset_hash_and_none_of_cdks_own_additions() -> None:
    text = golden.render(golden.content(TEMPLATE))
    assert "CDKMetadata" not in text
    assert "Bootstrap" not in text
    assert "aws:cdk:path" not in text
    for path in golden.GOLDEN.glob("*/*.yaml"):
        assert "cdk-hnb659fds-assets" not in path.read_text(), path


def test_a_difference_is_shown_by_its_lines(tmp_path: Path) -> None:
    golden.accept(tmp_path, {"S": TEMPLATE}, frozenset())
    changed = copy.deepcopy(TEMPLATE)
    changed["Resources"]["Data"]["Properties"]["Tags"][0]["Value"] = "c"
    shown = golden.differences(tmp_path, {"S": changed})
    assert "-          Value: b" in shown
    assert "+          Value: c" in shown
    assert golden.differences(tmp_path, {"S": TEMPLATE}) == ""


def test_a_stack_that_is_gone_is_a_difference(tmp_path: Path) -> None:
    golden.accept(tmp_path, {"S": TEMPLATE, "T": TEMPLATE}, frozenset())
    assert "golden/" in golden.differences(tmp_path, {"S": TEMPLATE})


def test_other_environments_hold_what_differs_from_the_one_before(tmp_path: Path) -> None:
    more = copy.deepcopy(TEMPLATE)
    more["Resources"]["More"] = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "dev"}}
    stacks = {"prod": {"HpcProdS": TEMPLATE}, "minimal": {"HpcMinimalS": TEMPLATE}, "dev": {"HpcDevS": more}}
    for name, found in stacks.items():
        golden.accept(tmp_path / name, found, frozenset())
    assert (tmp_path / "minimal" / "HpcMinimalS.yaml").read_text().splitlines()[1:] == ["{}"]
    kept = YAML(typ="safe").load((tmp_path / "dev" / "HpcDevS.yaml").read_text())
    assert kept == {"Resources": {"More": more["Resources"]["More"]}}
    for name, found in stacks.items():
        assert golden.differences(tmp_path / name, found) == ""
        assert golden.differences(tmp_path / name, {**found, "HpcMore": TEMPLATE})
    assert golden.differences(tmp_path / "dev", {"HpcDevS": TEMPLATE})


def test_a_script_that_two_resources_have_is_shown_once() -> None:
    script = "#!/bin/sh\n\n  echo one\n"
    text = golden.render({"Resources": {"A": {"Script": script}, "B": {"Script": script}, "C": {"Script": "a\nb\n"}}})
    assert text.count("echo one") == 1
    assert "Script: *script1" in text
    assert YAML(typ="safe").load(text)["Resources"]["B"]["Script"] == script


def test_what_a_golden_template_cannot_express_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="such as null"):
        golden.accept(tmp_path, {"S": {"Resources": {"Data": {**BUCKET, "Properties": None}}}}, frozenset())


def test_accepting_keeps_a_lost_id_until_it_is_named(tmp_path: Path) -> None:
    renamed = {"Resources": {"Moved": BUCKET}}
    golden.accept(tmp_path, {"S": TEMPLATE}, frozenset())
    assert golden.accept(tmp_path, {"S": renamed}, frozenset()) == ["S/Data AWS::S3::Bucket"]
    assert golden.lost_ids(tmp_path, {"S": renamed}) == ["S/Data AWS::S3::Bucket"]
    assert golden.accept(tmp_path, {"S": renamed}, frozenset({"S/Data"})) == []
    assert golden.listed_ids(tmp_path) == ["S/Moved AWS::S3::Bucket"]


@pytest.mark.slow
def test_an_environment_that_is_gone_must_be_given_up_by_name(tmp_path: Path) -> None:
    golden.accept(tmp_path / "gone", {"S": TEMPLATE}, frozenset())
    run = CliRunner().invoke(golden.main, ["--golden", str(tmp_path)])
    assert run.exit_code == 1
    assert 'make golden GIVE_UP="gone"' in run.stderr
    run = CliRunner().invoke(golden.main, ["--golden", str(tmp_path), "--give-up", "gone"])
    assert run.exit_code == 0, run.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ENVIRONMENTS
