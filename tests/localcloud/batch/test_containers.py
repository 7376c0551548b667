from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.batch.containers import effective, node_containers, node_range, requirements, substitute


def test_a_reference_is_replaced_and_an_unknown_one_stays() -> None:
    assert substitute(["run", "Ref::a", "Ref::b", "x Ref::a"], {"a": "1"}) == ["run", "1", "Ref::b", "x Ref::a"]


@given(st.lists(st.text().filter(lambda word: not word.startswith("Ref::"))))
def test_a_command_without_references_is_untouched(command: list[str]) -> None:
    assert substitute(command, {"a": "1"}) == command


def test_overrides_replace_by_name_and_by_type() -> None:
    container = {
        "command": ["old"],
        "vcpus": 1,
        "memory": 10,
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    }
    override = {
        "command": ["new"],
        "environment": [{"name": "B", "value": "3"}],
        "resourceRequirements": [{"type": "VCPU", "value": "8"}],
    }
    result = effective(container, [override], {})
    assert result["command"] == ["new"]
    assert result["environment"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]
    assert requirements(result) == {"VCPU": "8", "MEMORY": "10"}


@pytest.mark.parametrize(
    ("text", "nodes"), [("0:", [0, 1, 2, 3]), ("2:", [2, 3]), (":1", [0, 1]), ("1:2", [1, 2]), ("3", [3])]
)
def test_a_node_range_names_its_nodes(text: str, nodes: list[int]) -> None:
    assert list(node_range(text, 4)) == nodes


def test_of_nested_node_ranges_the_inner_one_counts() -> None:
    def target(nodes: str, image: str) -> dict[str, object]:
        return {"targetNodes": nodes, "container": {"image": image}}

    properties = {"nodeRangeProperties": [target("0:", "outer"), target("1:2", "inner")]}
    change = {"targetNodes": "2:", "containerOverrides": {"command": ["late"]}}
    found = node_containers(properties, 4, [change], {})
    assert [item["image"] for item in found] == ["outer", "inner", "inner", "outer"]
    assert [item["command"] for item in found] == [[], [], ["late"], ["late"]]
