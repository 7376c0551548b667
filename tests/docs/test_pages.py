"""Links of the pages lead somewhere, and the commands that they show exist with their options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hpc.cli.app import hpc

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("findings/*.md")])
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
_COMMAND = re.compile(r"(?<![\w./-])hpc (?P<name>[a-z]+)(?P<rest>[^\n`|;]*)")
_OPTION = re.compile(r"(?<=\s)--?[a-z][a-z-]*")


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shown(page: Path) -> Iterator[tuple[str, str]]:
    """Yield command and options of each `hpc ...` in code."""
    text = page.read_text()
    code = (
        "\n".join(re.findall(r"^ {4,}[^\n]*$|```.*?```", text, re.M | re.S))
        + "\n"
        + "\n".join(re.findall(r"`([^`\n]+)`", text))
    )
    for match in _COMMAND.finditer(code):
        options = match["rest"].partition(" -- ")[0].partition(" #")[0]
        yield match["name"], options


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_heading(page: Path) -> None:
    for target, anchor in _LINK.findall(page.read_text()):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name}: {target}"
        if anchor and path.suffix == ".md":
            assert anchor in slugs(path), f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    context = click.Context(hpc)
    for name, text in shown(page):
        command = hpc.get_command(context, name)
        if command is None:
            continue  # prose: "hpc and ..."
        known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        assert [option for option in _OPTION.findall(text) if option not in known | {"-h", "--help"}] == [], (
            name,
            text,
        )


def test_the_pages_show_commands() -> None:
    assert len([item for page in PAGES for item in shown(page)]) > 50
