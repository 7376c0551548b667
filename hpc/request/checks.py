"""Everything that is wrong with a request whatever the environment, all of it at once.

A check yields complaints: what was given, what is allowed, what to do. It calls no service.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hpc.common import run_ids
from hpc.contract import placeholders, variables
from hpc.contract.run_request import ON_FAILURE
from hpc.request import index_ranges, output_spec, secret_scan, signal_spec
from hpc.request.batch_limits import MAX_ARGUMENT_BYTES, MAX_ARRAY, MAX_CHILDREN, MAX_NODES, MAX_RETRIES, MIN_TIMEOUT_S
from hpc.request.job_spec import Input, JobSpec
from hpc.request.messages import unknown
from hpc.request.output_spec import VARIABLE as _VARIABLE
from hpc.request.tasks_file import Scan

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KNOBS = {variables.ENV_EFA, variables.ENV_HEARTBEAT_S, variables.ENV_RENDEZVOUS_TIMEOUT_S, variables.ENV_SCRATCH}


def check_request(spec: JobSpec, scan: Scan | None) -> Iterator[str]:
    """Yield what is wrong with the request whatever the environment; `scan` is what its tasks file holds."""
    yield from _check_command(spec)
    yield from _check_text(spec)
    yield from _check_name(spec.name)
    yield from _check_shape(spec)
    if scan is not None:
        yield from _check_tasks(spec, scan)
    yield from _check_sweep(spec, scan)
    yield from _check_limits(spec)
    yield from _check_variables(spec, scan.columns if scan else ())
    yield from _check_data(spec)


def _check_command(spec: JobSpec) -> Iterator[str]:
    if not spec.command and spec.script is None:
        yield "no command given; write it last: hpc submit [options] -- COMMAND [ARG...]"


def _check_text(spec: JobSpec) -> Iterator[str]:
    given = {"the command": spec.command} | {f"--setenv {key}": (key, value) for key, value in spec.environment.items()}
    for what, words in given.items():
        if not all(map(_is_passable, words)):
            shown = what.encode(errors="replace").decode()
            yield f"{shown} has a character that no process can be given; send it in a file: --input"


def _is_passable(word: str) -> bool:
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False


def _check_name(name: str | None) -> Iterator[str]:
    if name is None:
        return
    if len(name) > run_ids.MAX_NAME:
        yield (
            f"--name has {len(name)} characters; at most {run_ids.MAX_NAME} are allowed"
            f" (AWS Batch takes {run_ids.MAX_JOB_NAME}, the run id needs the rest)"
        )
    if not _NAME.fullmatch(name):
        yield f"--name {name!r}: letters, digits, - and _ are allowed, the first a letter or digit"


def _check_shape(spec: JobSpec) -> Iterator[str]:
    if spec.array is not None and spec.tasks is not None:
        yield "--array and --tasks: give one of them; --tasks makes an array of its rows"
    if spec.nodes is not None and (spec.array is not None or spec.tasks is not None):
        other = "--array" if spec.array is not None else "--tasks"
        yield f"--nodes and {other}: AWS Batch has no arrays of multi-node jobs; submit them one by one"
    if spec.array is not None and spec.array < 2:
        yield f"--array {spec.array}: 2 or more tasks are allowed; leave --array out for a single job"
    if spec.every_node and spec.nodes is None:
        yield "--every-node: it is for multi-node jobs; add --nodes N, or leave it out"
    if spec.nodes is not None and not 1 <= spec.nodes <= MAX_NODES:
        yield f"--nodes {spec.nodes}: 1 to {MAX_NODES:,} nodes are allowed"
    if spec.array is None and spec.tasks is None:
        given = [flag for flag, on in (("--after-each", spec.after_each), ("--one-by-one", spec.one_by_one)) if on]
        yield from (f"{flag}: the run is a single job; it is for runs with --array or --tasks" for flag in given)


def _check_tasks(spec: JobSpec, scan: Scan) -> Iterator[str]:
    yield from scan.complaints
    if scan.complaints:
        return
    have = [column.name for column in scan.columns if column.role is None]
    missing = [name for name in placeholders.named_in(spec.command) if name not in have]
    yield from (unknown("command", f"{{{name}}}", have, "column in the tasks file") for name in missing)
    for text in spec.outputs:
        missing = [
            name for name in output_spec.columns_of(output_spec.parse(text).destination or "") if name not in have
        ]
        yield from (unknown(f"--output {text}:", f"{{{name}}}", have, "column in the tasks file") for name in missing)


def _check_sweep(spec: JobSpec, scan: Scan | None) -> Iterator[str]:
    if spec.pack < 1:
        yield f"--pack {spec.pack}: give the number of tasks that one child runs, 1 or more"
        return
    flags = [flag for flag, given in (("--only", spec.only is not None), ("--pack", spec.pack != 1)) if given]
    size = scan.rows if scan else spec.array
    if size is None:
        if flags:
            yield f"{' and '.join(flags)}: give --array N or --tasks FILE too, which say what to run"
        return
    wrong = [item for item in spec.only or () if not 0 <= item[0] <= item[1] < size]
    if (wrong or spec.only == ()) and size:
        yield f"--only {index_ranges.show(wrong) or 'nothing'}: there are the tasks 0 to {size - 1}"
    children = -(-(size if spec.only is None else index_ranges.count(index_ranges.merge(spec.only))) // spec.pack)
    if children > MAX_CHILDREN:
        yield f"{children:,} children: a queue takes {MAX_CHILDREN:,}; run several tasks in each with --pack K"
    if children > MAX_ARRAY:
        flags.append(f"more than {MAX_ARRAY:,} children")
    if flags and any("AWS_BATCH_JOB_ARRAY_INDEX" in word for word in spec.command):
        yield (
            f"the command reads $AWS_BATCH_JOB_ARRAY_INDEX, which with {' and '.join(flags)} is not the task's"
            " number; use $HPC_INDEX"
        )


def _check_limits(spec: JobSpec) -> Iterator[str]:
    if spec.timeout_s is not None and spec.timeout_s < MIN_TIMEOUT_S:
        yield f"--timeout of {spec.timeout_s} s: AWS Batch allows {MIN_TIMEOUT_S} s or more; write --timeout 1m"
    if spec.retries is not None and not 0 <= spec.retries <= MAX_RETRIES:
        yield f"--retries {spec.retries}: 0 to {MAX_RETRIES} are allowed"
    if spec.priority is not None and not 0 <= spec.priority <= 9999:
        yield f"--priority {spec.priority}: 0 to 9999 is allowed"
    if spec.on_failure not in ON_FAILURE:
        yield f"--on-failure {spec.on_failure}: {', '.join(ON_FAILURE)} are allowed"
    if spec.checkpoint_minutes is not None and spec.checkpoint_minutes < 1:
        yield f"--checkpoint {spec.checkpoint_minutes}: give minutes, 1 or more"
    if spec.signal is not None:
        try:
            signal_spec.parse(spec.signal)
        except ValueError as error:
            yield f"--signal {error}"
    for flag, value in (("--vcpus", spec.vcpus), ("--memory", spec.memory_mib), ("--gpus", spec.gpus)):
        if value is not None and value < (0 if flag == "--gpus" else 1):
            yield f"{flag} {value}: give a positive number"


def _check_variables(spec: JobSpec, cells: tuple[placeholders.Column, ...]) -> Iterator[str]:
    """Check the names of all variables, those that a tasks file's columns set among them."""
    names = [*spec.environment, *(column.name for column in cells if column.role == "--setenv")]
    for name in names:
        if not _VARIABLE.fullmatch(name):
            yield f"--setenv {name!r}: a variable's name is letters, digits and _, not starting with a digit"
        elif name.startswith("AWS_BATCH"):
            yield f"--setenv {name}: names that start with AWS_BATCH are reserved by AWS Batch; choose another"
        elif name.startswith("HPC_") and name not in _KNOBS:
            yield f"--setenv {name}: names that start with HPC_ are reserved; choose another"
    seen = set(names)
    if len(seen) < len(names):
        yield "--setenv: a column of the tasks file sets a variable that the command line sets too; drop one of them"
    for name in spec.secrets:
        if not _VARIABLE.fullmatch(name) or name.startswith(("AWS_", "HPC_", "ECS_")):
            yield (
                f"--secret {name!r}: the name becomes a variable: letters, digits and _, not starting with a digit,"
                " AWS_, HPC_ or ECS_"
            )
        if name in seen:
            yield f"--secret {name}: the name is taken by another variable"
        seen.add(name)
    inputs = [*(item.name for item in spec.inputs), *(column.name for column in cells if column.role == "--input")]
    outputs = [output.name for output in map(output_spec.parse, spec.outputs) if output.name]
    outputs += [column.name for column in cells if column.role == "--output"]
    for flag, name in [*(("--input", name) for name in inputs), *(("--output", name) for name in outputs)]:
        if not _VARIABLE.fullmatch(name) or name.startswith(("AWS_", "HPC_")):
            yield (
                f"{flag} {name!r}: the name becomes a variable: letters, digits and _, not starting with a digit,"
                " AWS_ or HPC_"
            )
        if name in seen:
            yield f"{flag} {name}: the name is taken by another input, output or variable"
        seen.add(name)


def _check_data(spec: JobSpec) -> Iterator[str]:
    for item in spec.inputs:
        yield from _check_input(item)
    for text in spec.outputs:
        yield from output_spec.check(text)
    yield from _check_destinations(spec)
    if spec.workdir is not None and not spec.workdir.is_dir():
        yield f"--workdir {spec.workdir}: no such folder here"
    if spec.script is not None:
        yield from _check_script(spec.script)
    yield from secret_scan.check(spec.command, spec.environment)
    for number, word in enumerate(spec.command, start=1):
        size = len(word.encode(errors="surrogateescape"))
        if size > MAX_ARGUMENT_BYTES:
            yield (
                f"word {number} of the command has {size:,} bytes; Linux takes {MAX_ARGUMENT_BYTES:,} in one argument:"
                " send it as a file, --script FILE or --input NAME=FILE"
            )


def _check_input(item: Input) -> Iterator[str]:
    flag = f"--input {item.name}={item.source}"
    if item.is_uri:
        yield from (f"--input {item.name}={text}" for text in check_uri(item.source))
    elif not item.path.exists():
        yield f"{flag}: no such file or folder here; paths are relative to the folder you are in"


def check_uri(source: str) -> Iterator[str]:
    """Yield what is wrong with the form of an object's address."""
    bucket, _, key = source.removeprefix("s3://").partition("/")
    if not (source.startswith("s3://") and bucket and key):
        yield f"{source}: write s3://bucket/key for an object, s3://bucket/prefix/ for a folder"


def _check_destinations(spec: JobSpec) -> Iterator[str]:
    """Tasks that run side by side must not write the same object."""
    seen = set[str]()
    for text in spec.outputs:
        destination = output_spec.parse(text).destination
        if destination is None:
            continue
        if destination in seen:
            yield f"--output {text}: another output goes to {destination} too"
        seen.add(destination)
        if spec.array is not None:
            yield (
                f"--output {text}: all tasks of --array would write it; leave the destination out, or use --tasks FILE"
                " and a {column} in it"
            )
        if spec.tasks is not None and not list(output_spec.columns_of(destination)):
            yield f"--output {text}: all tasks would write it; put a {{column}} of the tasks file into the destination"


def _check_script(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        yield f"--script {path}: cannot be read: {error.strerror}; paths are relative to the folder you are in"
        return
    if start != b"#!":
        yield f"--script {path}: its first line must name what runs it, as in #!/bin/bash"
