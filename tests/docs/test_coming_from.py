"""docs/coming-from.md says nothing of `hpc` that is not so, and forgets no flag of those who come."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from hpc.cli.app import hpc

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text()
CODE = re.compile("`([^`]+)`")
FLAG = re.compile(r"(?<!\S)--?[a-z][a-z-]*")

AWSB = {
    "awsbsub": "-jn --job-name -c --cluster -cf --command-file -w --working-dir -pw --parent-working-dir"
    " -if --input-file -p --vcpus -m --memory -e --env -eb --env-blacklist -r --retry-attempts -t --timeout -n --nodes"
    " -a --array-size -d --depends-on -h --help",
    "awsbstat": "-c --cluster -s --status -e --expand-children -d --details",
    "awsbout": "-hd --head -t --tail -s --stream -sp --stream-period",
    "awsbkill": "-r --reason",
    "awsbqueues": "-d --details",
}
"""Of version 1.6.0, as `--help` lists them."""


def commands_of_hpc() -> list[tuple[str, str]]:
    """Return the subcommand and the flag of everything on the page that looks like `hpc ... --flag`."""
    found = list[tuple[str, str]]()
    for code in CODE.findall(PAGE):
        words = code.split(" -- ")[0].split()
        if words[0] == "hpc":
            command = next((word for word in words[1:] if not word.startswith("-")), "")
            command = "" if words[1:] and words[1].startswith("-") else command
            found += [(command, flag) for flag in FLAG.findall(" ".join(words[1:])) or [""]]
    return sorted(set(found))


def options(name: str) -> set[str]:
    """Return the flags of a command of `hpc`; of `hpc` itself for an empty name."""
    context = click.Context(hpc)
    command = hpc.get_command(context, name) if name else hpc
    assert command is not None, f"hpc has no command {name!r}"
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


def test_the_page_names_many_flags() -> None:
    assert len(commands_of_hpc()) > 40


@pytest.mark.parametrize(("command", "flag"), commands_of_hpc())
def test_every_command_and_flag_on_the_page_exists(command: str, flag: str) -> None:
    assert not flag or flag in options(command)


@pytest.mark.parametrize("program", AWSB)
def test_every_flag_of_awsbatch_cli_is_on_the_page(program: str) -> None:
    named = {word.split("=")[0] for code in CODE.findall(PAGE) for word in code.split()}
    assert set(AWSB[program].split()) <= named


def test_a_line_says_what_to_use_or_why_there_is_nothing() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| (")]
    for cells in rows:
        assert len(cells) == 2, cells
        assert cells[1].removesuffix(" |") == "here" or "`" in cells[1] or "because" in cells[1] or "(" in cells[1], (
            cells
        )
