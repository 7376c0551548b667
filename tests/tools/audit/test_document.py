"""What docs/security.md says is there."""

import re

import pytest

from hpc_constructs.rules.catalogue import catalogue
from tools.audit.explained import SHORTEST_REASON, reasons
from tools.audit.report import BEGIN, END, with_figures
from tools.synthesis import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()


def test_every_proof_is_a_test_of_this_repository() -> None:
    proofs = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
    assert proofs
    for path, name in proofs:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_every_rule_is_one_of_the_catalogue() -> None:
    assert set(re.findall(r"HPC\d{3}", TEXT)) <= set(catalogue())


def test_every_row_of_the_last_table_is_read_as_a_reason() -> None:
    rows = TEXT.partition("## Why what is found stays")[2].strip().splitlines()
    table = [line for line in rows if line.startswith("|")][2:]
    assert len(reasons(TEXT)) == len(table) > 0
    assert all(len(reason) >= SHORTEST_REASON for reason in reasons(TEXT).values())


def test_figures_take_the_place_of_figures() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert with_figures(document, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter"
    assert with_figures(with_figures(document, "new"), "new") == with_figures(document, "new")


def test_a_document_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="no <!-- figures"):
        with_figures("nothing", "new")
