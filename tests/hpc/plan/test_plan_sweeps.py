from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpc.aws.environment import Environment
from hpc.contract.run_request import Signal
from hpc.plan.plan import plan
from hpc.request.tasks_file import TasksFile
from tests.hpc.plan.planning import RUN_ID, complaints, spec


@pytest.mark.parametrize(("pack", "children"), [(1, [10_000, 10_000, 5]), (2, [10_000, 3]), (3, [6669]), (20_005, [0])])
def test_packed_tasks_are_fewer_children_and_fewer_jobs(
    environment: Environment, tmp_path: Path, pack: int, children: list[int]
) -> None:
    made = plan(spec("model", array=20_005, pack=pack), environment, RUN_ID)
    assert [job.get("arrayProperties", {"size": 0})["size"] for job in made.jobs] == children
    assert made.request.layout.pack == pack
    assert sum(size for _, size in made.request.layout.parts) == 20_005


def test_chosen_tasks_alone_are_planned_and_their_numbers_kept(environment: Environment, tasks: TasksFile) -> None:
    made = plan(spec("model", "{alpha}", tasks=tasks, only=((2, 2), (0, 0))), environment, RUN_ID)
    assert (made.request.layout.only, made.request.tasks) == (((0, 0), (2, 2)), 2)
    assert made.request.layout.parts == ((0, 2),)
    assert made.request.sha256 != plan(spec("model", "{alpha}", tasks=tasks), environment, RUN_ID).request.sha256


@pytest.mark.parametrize(
    ("header", "cells", "outputs"),
    [
        ("--output FIT", ["s3://data/default/fit", "s3://data/default/other", "s3://data/default/fit"], ()),
        ("alpha", ["1", "2", "1"], ("FIT=s3://data/default/{alpha}",)),
        ("--output FIT", ["s3://data/default/a/", "s3://data/default/b/", "s3://data/default/a/FIT"], ()),
    ],
)
def test_two_rows_that_write_the_same_object_are_noticed(
    environment: Environment, tmp_path: Path, header: str, cells: list[str], outputs: tuple[str, ...]
) -> None:
    path = tmp_path / "clash.csv"
    path.write_text("\n".join([header, *cells]) + "\n")
    tasks = TasksFile(path)
    (text,) = complaints(spec(tasks=tasks, outputs=outputs), environment)
    assert "clash.csv:4: --output FIT: s3://data/default/" in text
    assert "an earlier row" in text
    assert plan(spec(tasks=tasks, outputs=outputs, only=((0, 1),)), environment, RUN_ID).request.tasks == 2


def test_what_is_asked_for_the_end_of_an_attempt_is_in_the_request(environment: Environment) -> None:
    asked = spec(on_failure="logs", checkpoint_minutes=10, signal="usr1@90", timeout_s=3600)
    request = plan(asked, environment, RUN_ID).request
    assert (request.on_failure, request.checkpoint_minutes) == ("logs", 10)
    assert (request.signal, request.timeout_s) == (Signal(name="SIGUSR1", before_s=90), 3600)


def test_columns_with_a_role_are_no_values_for_the_command(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "roles.tsv"
    path.write_text("alpha\t--setenv SEED\t--input MESH\n1\t7\ts3://public-data/a.msh\n")
    assert plan(spec("model", "{alpha}", tasks=TasksFile(path)), environment, RUN_ID).request.tasks == 1
    (text,) = complaints(spec("model", "{SEED}", tasks=TasksFile(path)), environment)
    assert "there is alpha" in text


@pytest.mark.parametrize(
    ("header", "cell", "options", "words"),
    [
        ("--input MESH", "mesh.dat", {}, ["t.csv:2: --input MESH: 'mesh.dat'", "no such file", "s3://bucket/key"]),
        ("--input MESH", "s3://other/key", {}, ["t.csv:2: --input MESH: s3://other/key", "read_buckets"]),
        ("--input A-B", "s3://public-data/x", {}, ["'--input A-B' in the header"]),
        ("--input HPC_X", "s3://public-data/x", {}, ["HPC_X", "AWS_ or HPC_"]),
        ("--input MESH", "s3://public-data/x", {"outputs": ("MESH",)}, ["--output MESH", "taken"]),
        ("--setenv AWS_BATCH_X", "1", {}, ["AWS_BATCH_X", "reserved"]),
        ("--setenv SEED", "1", {"environment": {"SEED": "2"}}, ["a column of the tasks file sets a variable"]),
        ("--output RESULT", "../x", {}, ["t.csv:2: --output RESULT: '../x'", "give a file name"]),
        ("--output RESULT", "s3://data/other/x", {}, ["write below s3://data/default/ only"]),
        ("--output RESULT", "x", {"outputs": ("RESULT",)}, ["--output RESULT", "taken"]),
        ("--setenv TOKEN", "ghp_" + "a" * 36, {}, ["a GitHub token", "--secret"]),
        ("alpha", "1", {"outputs": ("R=s3://data/default/x",)}, ["put a {column} of the tasks file"]),
        ("alpha", "1", {"outputs": ("R=s3://data/default/{beta}",)}, ["{beta}", "there is alpha"]),
        ("--env SEED", "1", {}, ["'--env SEED' in the header", "--setenv NAME"]),
        ("alpha", "1", {"only": ((1, 4),)}, ["--only 1-4", "tasks 0 to 0"]),
        ("alpha", "1", {"only": ()}, ["--only nothing"]),
        ("alpha", "1", {"pack": 0}, ["--pack 0", "1 or more"]),
        (
            "alpha",
            "1",
            {"pack": 2, "command": ("sh", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX")},
            ["$AWS_BATCH_JOB_ARRAY_INDEX", "--pack", "use $HPC_INDEX"],
        ),
    ],
)
def test_what_is_wrong_with_a_sweep_is_told_with_what_is_allowed(
    environment: Environment, tmp_path: Path, header: str, cell: str, options: dict[str, Any], words: list[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n{cell}\n")
    text = "\n".join(complaints(replace(spec(tasks=TasksFile(path)), **options), environment))
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pack": 2}, ["--pack", "give --array N or --tasks FILE"]),
        ({"only": ((0, 0),), "pack": 2}, ["--only and --pack"]),
        ({"array": 1_000_001}, ["1,000,001 children", "--pack K"]),
        (
            {"array": 10_001, "command": ("$AWS_BATCH_JOB_ARRAY_INDEX",)},
            ["more than 10,000 children", "use $HPC_INDEX"],
        ),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(environment: Environment, options: dict[str, Any], words: list[str]) -> None:
    text = "\n".join(complaints(replace(spec(), **options), environment))
    assert [word for word in words if word not in text] == []
