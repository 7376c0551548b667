"""The examples compute correct results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.heat import heat
from examples.summary import summary
from examples.sweep import sweep

FOLDER = Path(sweep.__file__).parents[1]
BIN = Path(sys.executable).parent


def test_the_tasks_file_is_what_the_program_generates() -> None:
    lines = (FOLDER / "sweep" / "tasks.csv").read_text().splitlines()
    assert lines[0] == "damping,frequency"
    assert [tuple(map(float, line.split(","))) for line in lines[1:]] == sweep.tasks()
    assert len(set(sweep.tasks())) == 100


@pytest.mark.parametrize(("damping", "frequency"), [sweep.tasks()[0], sweep.tasks()[37], sweep.tasks()[-1]])
def test_the_integration_agrees_with_the_closed_form(damping: float, frequency: float) -> None:
    displacement, _ = sweep.integrate(damping, frequency)
    assert displacement == pytest.approx(sweep.exact(damping, frequency), abs=1e-10)


def test_merging_notices_a_wrong_row_and_a_missing_one(tmp_path: Path) -> None:
    for index, (damping, frequency) in enumerate(sweep.tasks()[:3]):
        folder = tmp_path / str(index)
        folder.mkdir()
        sweep.run(damping, frequency, folder / "RESULT")
    assert sweep.merge(tmp_path)["rows"] == 3
    assert sweep.merge(tmp_path)["largest_error"] < 1e-10
    row = json.loads((tmp_path / "1" / "RESULT").read_text())
    (tmp_path / "1" / "RESULT").write_text(json.dumps({**row, "displacement": row["displacement"] + 1e-3}))
    assert sweep.merge(tmp_path)["largest_error"] == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_every_row_belongs_to_one_rank(ranks: int) -> None:
    rows = [row for rank in range(ranks) for row in range(20)[heat.rows_of(rank, ranks, 20)]]
    assert rows == list(range(20))


def test_the_serial_field_agrees_with_exact_arithmetic() -> None:
    field = heat.solve(heat.initial(30), 100, None)
    assert abs(field - heat.exact(30, 100)).max() < 1e-14
    assert abs(field - heat.exact(30, 99)).max() > 1e-4


def test_the_summary_tells_both_results(tmp_path: Path) -> None:
    (tmp_path / "sweep" / "0").mkdir(parents=True)
    sweep.run(0.05, 1.0, tmp_path / "sweep" / "0" / "RESULT")
    heat_file = save_serial(tmp_path / "heat")
    found = {"sweep": summary.of_sweep(tmp_path / "sweep"), "heat": summary.of_heat(heat_file)}
    assert found["sweep"]["rows"] == 1
    assert found["sweep"]["sum_of_displacements"] == pytest.approx(sweep.exact(0.05, 1.0), abs=1e-10)
    assert (found["heat"]["points"], found["heat"]["ranks"]) == (24, 1)
    assert found["heat"]["mean"] == pytest.approx(heat.exact(24, 50).mean())


@pytest.mark.slow
def test_three_ranks_find_what_one_process_finds(tmp_path: Path) -> None:
    serial = save_serial(tmp_path / "serial")
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HPC_NODE_LOG": str(tmp_path / "log")}
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        env[name] = "1"
    command = [BIN / "mpirun", "--oversubscribe", "-np", "3", sys.executable, heat.__file__]
    options = ["--points", "24", "--steps", "50", "--output", tmp_path / "parallel"]
    run([*command, *options], env)
    assert heat.compare(serial, tmp_path / "parallel") <= 1e-12
    assert summary.of_heat(tmp_path / "parallel")["ranks"] == 3
    log = (tmp_path / "log").read_text().splitlines()
    assert sorted(line.partition(" on ")[0] for line in log) == ["rank 0 of 3", "rank 1 of 3", "rank 2 of 3"]


def save_serial(path: Path) -> Path:
    options = ["--serial", "--points", "24", "--steps", "50", "--output", path]
    run([sys.executable, heat.__file__, *options], dict(os.environ))
    return path


def run(command: list[Any], env: dict[str, str]) -> None:
    subprocess.run(command, env=env, check=True, timeout=120, capture_output=True)
