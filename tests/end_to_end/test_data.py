"""Files in and out, through the real `hpc` and jobs that really run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import hpc
from hpc.cluster import Cluster
from hpc.errors import HpcError
from hpc.request.job_spec import Input, JobSpec
from tests.end_to_end.support import Platform

pytestmark = pytest.mark.slow


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository as people have them."""
    folder = tmp_path / "my model"
    (folder / "build").mkdir(parents=True)
    (folder / "build" / "large.o").write_text("not to be sent")
    (folder / ".gitignore").write_text("build/\n")
    (folder / "model.sh").write_text("#!/bin/bash\nmkdir -p out\necho $1 > out/result-$1.txt\nls -A\n")
    (folder / "model.sh").chmod(0o755)
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


def stored(platform: Platform) -> list[str]:
    """Return the paths of the objects that were written to the content store so far."""
    return [
        call["path"]
        for call in platform.cloud.calls()
        if call["method"] == "PUT" and call["status"] == 200 and "/objects/" in call["path"]
    ]


def fetched(platform: Platform, run: str, folder: Path) -> dict[str, str]:
    answer = platform.hpc("fetch", run, "--to", str(folder))
    assert answer.returncode == 0, answer.stderr
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def cluster(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    for name, value in platform.deployment.variables.items():
        monkeypatch.setenv(name, value)
    return hpc.connect("dev")


def test_a_command_runs_in_the_working_directory_and_its_files_come_back_by_pattern(
    platform: Platform, work: Path, output: Path
) -> None:
    run = platform.submit("--workdir", str(work), "--output", "out/*.txt", "--", "./model.sh", "7")
    assert platform.wait(run) == 0, platform.logs(run)
    assert fetched(platform, run, output) == {"0/out/result-7.txt": "7\n"}
    said = [line for line in platform.logs(run).splitlines() if not line.startswith("hpc-node: ")]
    assert said == [".gitignore", "model.sh", "out"]


def test_every_row_has_a_copy_of_its_own_also_in_a_pack(platform: Platform, work: Path, output: Path) -> None:
    rows = work.parent / "rows.csv"
    rows.write_text("alpha\n1\n2\n3\n")
    run = platform.submit(
        "--workdir", str(work), "--tasks", str(rows), "--pack", "2", "--output", "out/", "--", "./model.sh", "{alpha}"
    )  # fmt: skip
    assert platform.wait(run) == 0, platform.logs(run)
    assert fetched(platform, run, output) == {f"{n}/out/result-{n + 1}.txt": f"{n + 1}\n" for n in range(3)}


def test_on_several_nodes_the_working_directory_has_one_path(platform: Platform, work: Path) -> None:
    run = platform.submit("--nodes", "2", "--workdir", str(work), "--", "mpirun", "--map-by", "ppr:1:node", "pwd")
    assert platform.wait(run) == 0, platform.logs(run)
    paths = [line.rpartition("| ")[2] for line in platform.logs(run).splitlines() if line.endswith("/work")]
    assert len(paths) == 2
    assert len(set(paths)) == 1


def test_the_same_content_is_sent_once(platform: Platform, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("one content")
    before = len(stored(platform))
    for _ in range(2):
        run = platform.submit("--input", f"A={tmp_path / 'a'}", "--input", f"B={tmp_path / 'b'}", "--", "cmp", "a", "a")
        platform.wait(run)
    assert len(stored(platform)) == before + 1


def test_a_file_that_changes_between_plan_and_upload_stops_the_run(
    platform: Platform, cluster: Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "growing.dat"
    path.write_text("first")
    plan = cluster.plan(JobSpec(command=("true",), inputs=(Input("IN", str(path)),)))
    path.write_text("first and more")
    before = platform.calls("SubmitJob")
    with pytest.raises(HpcError, match="changed while it was sent"):
        cluster.send(plan)
    assert platform.calls("SubmitJob") == before


def test_a_script_runs_with_its_arguments(platform: Platform, tmp_path: Path) -> None:
    script = tmp_path / "greet me.py"
    script.write_text("#!/usr/bin/env python\nimport sys\nprint('hello', sys.argv[1:])\n")
    run = platform.submit("--script", str(script), "--", "two words", "$HOME")
    assert platform.wait(run) == 0, platform.logs(run)
    assert "hello ['two words', '$HOME']" in platform.logs(run)


def test_a_command_of_200_kib_arrives_byte_for_byte(platform: Platform, output: Path) -> None:
    words = ["x" * 100_000, "", "Ref::alpha", "$HOME 'ünï\n", "y" * 100_000]
    program = "import json, os, sys; json.dump(sys.argv[1:], open(os.environ['ARGS'], 'w'))"
    run = platform.submit("--output", "ARGS", "--", "python", "-c", program, *words)
    assert platform.wait(run) == 0
    assert json.loads(fetched(platform, run, output)["0/ARGS"]) == words


def test_what_is_done_is_skipped(platform: Platform, cluster: Cluster, tmp_path: Path) -> None:
    kept = f"s3://{cluster.environment.meta.bucket}/default/kept/{os.getpid()}"
    rows = tmp_path / "rows.tsv"
    rows.write_text("alpha\t--output LOG\n" + "".join(f"{n}\t{kept}/log/{n}\n" for n in range(4)))
    asked = (
        "--tasks", str(rows), "--skip", "--output", f"FIT={kept}/fit-{{alpha}}/",
        "--", "bash", "-c", "echo {alpha} > $FIT; [ {alpha} = 2 ] || echo > $LOG",
    )  # fmt: skip
    first = platform.hpc("submit", *asked)
    assert "0 tasks skipped" in first.stderr
    assert platform.wait(first.stdout.strip()) == 66
    second = platform.hpc("submit", "--dry-run", *asked)
    assert "3 tasks skipped" in second.stderr
    assert json.loads(second.stdout)["request"]["only"] == [[2, 2]]
    rows.write_text("\n".join(line for line in rows.read_text().splitlines() if not line.startswith("2")) + "\n")
    before = platform.calls("SubmitJob")
    third = platform.hpc("submit", *asked)
    assert (third.returncode, third.stdout) == (0, "")
    assert third.stderr.splitlines() == ["3 tasks skipped: their outputs exist", "nothing to do"]
    assert platform.calls("SubmitJob") == before


def test_a_row_names_files_of_this_machine_and_of_its_output(platform: Platform, tmp_path: Path, output: Path) -> None:
    rows, local = tmp_path / "rows.csv", tmp_path / "mesh"
    (local / "sub").mkdir(parents=True)
    (local / "sub" / "a b").write_text("of this machine\n")
    rows.write_text(f"--input MESH,--output FIT\n{local},fit/one.txt\n{local / 'sub' / 'a b'},two words.txt\n")
    before = len(stored(platform))
    run = platform.submit(
        "--tasks", str(rows), "--", "bash", "-c", 'cat "$MESH" > "$FIT" || cat "$MESH/sub/a b" > "$FIT"'
    )
    assert platform.wait(run) == 0, platform.logs(run)
    assert fetched(platform, run, output) == {
        "0/fit/one.txt": "of this machine\n",
        "1/two words.txt": "of this machine\n",
    }
    assert len(stored(platform)) == before + 2  # the file, the listing of the folder


def test_the_next_attempt_finds_the_checkpoint_and_a_failed_one_leaves_its_logs(
    platform: Platform, tmp_path: Path
) -> None:
    script = (
        "cd $HPC_OUTPUT_DIR; echo $AWS_BATCH_JOB_ATTEMPT > run.log; echo x > $AWS_BATCH_JOB_ATTEMPT.data;"
        " test -e $HPC_CHECKPOINT_DIR/step && exit 0; echo 1 > $HPC_CHECKPOINT_DIR/step; exit 7"
    )
    options = ("--checkpoint", "10", "--on-failure", "logs", "--signal", "USR1@60", "--retries", "1")
    run = platform.submit(*options, "--", "bash", "-c", script)
    assert platform.wait(run) == 0
    assert platform.hpc("fetch", run, "--to", str(tmp_path)).returncode == 0
    found = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"run.log": "2\n", "2.data": "x\n"}  # of the first attempt the log alone, which is written anew
