"""docs/library.md: its examples are one program, and it names only what `import hpc` exports.

tests/end_to_end/test_library_page.py runs the program.
"""

from __future__ import annotations

import re
from pathlib import Path

import hpc

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def program() -> str:
    """Return the page with every line outside an example blank, so that a traceback has the page's line numbers."""
    lines, is_code = list[str](), False
    for line in PAGE.read_text().splitlines():
        is_fence = line.startswith("```")
        lines.append(line if is_code and not is_fence else "")
        is_code = line == "```python" if is_fence else is_code
    return "\n".join(lines)


def test_the_examples_are_one_program() -> None:
    compile(program(), str(PAGE), "exec")
    assert program().count("cluster.submit(") > 5


def test_every_name_on_the_page_is_exported() -> None:
    named = set(re.findall(r"\bhpc\.([A-Za-z_]\w*)", PAGE.read_text()))
    assert named - {"__all__"} <= set(hpc.__all__)
