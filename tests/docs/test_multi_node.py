"""The table of docs/multi-node.md is the one to which the tests of faults hold hpc-node."""

from __future__ import annotations

import re
from pathlib import Path

from tests.hpc.node.multi_node_faults import FAULTS

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_is_tested() -> None:
    table = (ROOT / "docs" / "multi-node.md").read_text().partition("## What happens when")[2]
    rows = [tuple(cell.strip(" `") for cell in line.split("|")[1:5]) for line in re.findall(r"^\|.*\|$", table, re.M)]
    assert rows[2:] == [
        (fault.what, str(fault.exit_code), fault.bound.strip("`"), fault.says) for fault in FAULTS.values()
    ]


def test_every_fault_of_the_table_has_a_test() -> None:
    tests = (ROOT / "tests" / "hpc" / "node" / "test_multi_node_faults.py").read_text()
    assert [what for what in FAULTS if f'"{what}"' not in tests] == []
