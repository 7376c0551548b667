"""Whatever is given to `hpc submit`: a plan or complaints, never a traceback; and a command is never touched."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpc.aws import environment as environments
from hpc.aws.environment import Environment
from hpc.cli import run
from hpc.contract import variables

ANY = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
"""What a shell can pass on, with every metacharacter, control character and script."""
NASTY = st.sampled_from(
    r"""$HOME `id` $(id) ; && | * ~ ' " \ { }} {a} - -- %s Ref::x é 😀""".split(" ")  # noqa: RUF005, SIM905
    + ["\n", "\r\n", "\t", "\u202e", "e\u0301", "\x1b[31m", "\x7f", ""]
)
OPTIONS = [
    *("name", "queue", "project", "definition", "memory", "timeout", "vcpus", "array", "nodes", "gpus"),
    *("retries", "priority", "share", "once", "run", "setenv", "input", "output"),
]


@pytest.fixture(autouse=True)
def _deployed(environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(environments, "read", lambda *_: environment)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return


def _submit(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object] | None:
    """Return the plan, or None after checking how the refusal was told."""
    code = run(["submit", "--dry-run", *arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    if code == 0:
        return json.loads(out)
    assert code == 2, err
    assert out == ""
    assert err.strip()
    return None


@ANY
@given(st.lists(st.one_of(WORDS, NASTY), min_size=1, max_size=8))
def test_a_command_is_sent_byte_for_byte_or_refused(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    plan = _submit(capsys, "--", *command)
    if plan is not None:
        (job,) = plan["submit_job"]  # type: ignore[misc]
        assert plan["request"]["command"] == command  # type: ignore[index]
        names = [item["name"] for item in job["containerOverrides"]["environment"]]
        assert variables.ENV_COMMAND in names or job["containerOverrides"]["command"] == command


@ANY
@given(
    st.dictionaries(
        st.sampled_from(OPTIONS),
        st.one_of(WORDS, NASTY, st.integers(-(10**20), 10**20).map(str), st.floats().map(str)),
        max_size=5,
    )
)
def test_options_of_any_value_are_planned_or_refused(
    capsys: pytest.CaptureFixture[str], options: dict[str, str]
) -> None:
    _submit(capsys, *[f"--{option}={value}" for option, value in options.items()], "--", "true")


@ANY
@given(st.binary(max_size=300), st.sampled_from(["csv", "tsv", "jsonl", "txt"]))
def test_a_tasks_file_of_any_bytes_is_planned_or_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, kind: str
) -> None:
    path = tmp_path / f"tasks.{kind}"
    path.write_bytes(content)
    _submit(capsys, "--tasks", str(path), "--", "echo", "{a}")


@ANY
@given(st.lists(st.lists(WORDS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_a_tasks_file_with_cells_of_any_text_is_planned_or_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: list[list[str]]
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["a", "b"], *rows])
    path = tmp_path / "tasks.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    _submit(capsys, "--tasks", str(path), "--", "echo", "{a}", "{b}")


def test_bytes_that_are_no_text_travel_in_the_request_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    plan = _submit(capsys, "--", "echo", "caf\udce9")
    assert plan is not None
    assert plan["request"]["command"] == ["echo", "caf\udce9"]  # type: ignore[index]
    assert "caf" not in str(plan["submit_job"])
