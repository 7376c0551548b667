"""What the command does is open to Python programs: `import hpc`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from pathlib import Path
import hpc

cluster = hpc.connect("dev")
script = "echo $GREETING $HPC_INDEX > $OUT"
run = cluster.submit(
    hpc.JobSpec(command=("bash", "-c", script), array=2, environment={"GREETING": "hello"}, outputs=("OUT",))
)
run.wait()
assert run.exit_code() == 0
files = run.fetch(Path(sys.argv[1]))
print(sorted(path.read_text().strip() for path in files))
try:
    cluster.submit(hpc.JobSpec(command=("true",), array=1, name="a b"))
except hpc.BadInput as error:
    print(len(error.complaints))
"""


def test_a_program_submits_waits_and_collects(platform: Platform, output: Path) -> None:
    printed = platform.deployment.run("python", "-c", PROGRAM, str(output))
    assert printed.splitlines() == ["['hello 0', 'hello 1']", "2"]
