"""User data that installs the files in this folder, which run on every instance alongside the ECS agent.

The ECS agent starts after cloud-init has finished user data
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bootstrap_container_instance.html), so it finds all of it.

Comments and docstrings stay behind: an edit of user data replaces instances, an edit of prose must not.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

SOURCE = Path(__file__).parent
PLACES = {
    "hpc_host.py": "/usr/local/lib/hpc/hpc_host.py",
    "close-imds": "/usr/local/lib/hpc/close-imds",
    "hpc-host.service": "/etc/systemd/system/hpc-host.service",
    "ecs.conf": "/etc/systemd/system/ecs.service.d/hpc.conf",
}
"""Path of each file on the instance."""

COMMENT = re.compile(r"\s*(#(?!!).*)?$")
"""A line of a shell script or unit that is blank or a comment, not the `#!` of the first line."""
LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def install_script() -> str:
    """Return the shell lines that write the files to their paths and start the service."""
    folders = sorted({str(Path(place).parent) for place in PLACES.values()})
    lines = [f"mkdir -p {' '.join(folders)}"]
    for name, place in PLACES.items():
        lines.append(f"cat > {place} <<'END'\n{deployed(name)}END")
    lines += ["systemctl daemon-reload", "systemctl enable --now hpc-host.service"]
    return "\n".join(lines) + "\n"


def deployed(name: str) -> str:
    """Return a file's text as instances get it."""
    text = (SOURCE / name).read_text(encoding="utf-8")
    return _python_code(text) if name.endswith(".py") else without_comments(text)


def without_comments(script: str) -> str:
    """Return a shell script or systemd unit without blank lines and whole-line comments."""
    return "".join(line for line in script.splitlines(keepends=True) if not COMMENT.match(line))


def _python_code(source: str) -> str:
    """Return Python without comments, docstrings and blank lines.

    The remaining lines are those of the source: `ast.unparse` writes them differently in each version of Python.
    """
    prose = {
        number
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code: set[int] = set()
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, column), (last, _) = token.start, token.end
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            lines[row - 1] = lines[row - 1][:column].rstrip()
        elif token.type not in LAYOUT:
            code.update(range(row, last + 1))
    return "".join(f"{line}\n" for number, line in enumerate(lines, 1) if number in code - prose)
