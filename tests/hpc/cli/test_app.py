from __future__ import annotations

import subprocess
import sys

import click
import pytest

from hpc.cli import run
from hpc.cli.submit import submit

COMMANDS = ["submit", "status", "wait", "logs", "fetch", "cancel", "queues", "definitions"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"Usage: hpc {command}" in capsys.readouterr().out


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert [command for command in COMMANDS if command not in text] == []


def test_no_summary_of_a_command_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    commands = capsys.readouterr().out.partition("Commands:\n")[2]
    assert "..." not in commands
    assert len(commands.splitlines()) == len(COMMANDS)


def test_every_option_of_submit_is_in_one_group_of_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["submit", "--help"]) == 0
    text = capsys.readouterr().out
    titles = ["What to run", "Where to run", "Resources", "Sweeps", "Data", "Dependencies", "Reliability", "Output"]
    assert [line.rstrip(":") for line in text.splitlines() if line.rstrip(":") in titles] == titles
    options = [option.opts[0] for option in submit.params if isinstance(option, click.Option)]
    assert len(options) == len(set(options))
    assert [option for option in options if f"\n  {option}" not in text] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["submit", "--array", "many", "--", "true"],
        ["submit", "--memory", "4 bananas", "--", "true"],
        ["submit", "--timeout", "soon", "--", "true"],
        ["submit", "--colour", "blue", "--", "true"],
        ["wait"],
    ],
)
def test_what_cannot_be_read_ends_with_exit_code_2_and_nothing_on_stdout(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err


def test_help_loads_no_aws_library() -> None:
    code = "import sys; from hpc.cli import run; run(['--help']); print('boto3' in sys.modules, file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stderr.strip() == "False"


def test_without_a_region_the_message_says_how_to_give_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    assert run(["queues"]) == 2
    assert "--region" in capsys.readouterr().err


def test_an_endpoint_that_nobody_listens_on_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the discard port: nothing listens
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert run(["--region", "us-east-1", "queues"]) == 1
    captured = capsys.readouterr()
    assert "cannot be reached" in captured.err
    assert len(captured.err.splitlines()) == 1
