"""Everything that is wrong with a request whatever the environment, all of it at once.

A check yields complaints: what was given, what is allowed, what to do. It calls no service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hpc import columns, contract, runid
from hpc.limits import MAX_CHILDREN, MAX_DEPENDENCIES, MAX_NODES, MAX_RETRIES, MIN_TIMEOUT_S
from hpc.spec import Input, JobSpec
from hpc.words import unknown

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KNOBS = {contract.ENV_RENDEZVOUS_TIMEOUT_S, contract.ENV_SCRATCH}


def check_request(spec: JobSpec) -> Iterator[str]:
    """Yield what is wrong with the request whatever the environment."""
    yield from _check_command(spec)
    yield from _check_text(spec)
    yield from _check_name(spec.name)
    yield from _check_shape(spec)
    yield from _check_limits(spec)
    yield from _check_variables(spec)
    for item in spec.inputs:
        yield from _check_input(item)


def _check_command(spec: JobSpec) -> Iterator[str]:
    if not spec.command:
        yield "no command given; write it last: hpc submit [options] -- COMMAND [ARG...]"
    if "" in spec.command:
        yield "the command has an empty argument, which AWS Batch refuses; wrap it: -- bash -c 'program \"\"'"


def _check_text(spec: JobSpec) -> Iterator[str]:
    given = {"the command": spec.command} | {f"--setenv {key}": (key, value) for key, value in spec.environment.items()}
    for what, words in given.items():
        if any("\0" in word or any("\ud800" <= character <= "\udfff" for character in word) for word in words):
            shown = what.encode(errors="replace").decode()
            yield f"{shown} has bytes that are no UTF-8 text, which the API cannot carry; send them in a file: --input"


def _check_name(name: str | None) -> Iterator[str]:
    if name is None:
        return
    if len(name) > runid.MAX_NAME:
        yield (
            f"--name has {len(name)} characters; at most {runid.MAX_NAME} are allowed"
            f" (AWS Batch takes {runid.MAX_JOB_NAME}, the run id needs the rest)"
        )
    if not _NAME.fullmatch(name):
        yield f"--name {name!r}: letters, digits, - and _ are allowed, the first a letter or digit"


def _check_shape(spec: JobSpec) -> Iterator[str]:
    if spec.array is not None and spec.tasks is not None:
        yield "--array and --tasks: give one of them; --tasks makes an array of its rows"
    if spec.nodes is not None and (spec.array is not None or spec.tasks is not None):
        other = "--array" if spec.array is not None else "--tasks"
        yield f"--nodes and {other}: AWS Batch has no arrays of multi-node jobs; submit them one by one"
    if spec.array is not None and not 2 <= spec.array <= MAX_CHILDREN:
        fix = "leave --array out for a single job" if spec.array < 2 else "submit several runs"
        yield f"--array {spec.array}: 2 to {MAX_CHILDREN:,} children are allowed; {fix}"
    if spec.nodes is not None and not 1 <= spec.nodes <= MAX_NODES:
        yield f"--nodes {spec.nodes}: 1 to {MAX_NODES:,} nodes are allowed"
    if spec.tasks is not None:
        count, complaints = spec.tasks.check()
        yield from complaints
        if count > MAX_CHILDREN:
            yield f"--tasks {spec.tasks.path}: {count:,} rows, at most {MAX_CHILDREN:,} are allowed; split the file"
        if not complaints:
            have = spec.tasks.columns()
            missing = [name for name in columns.named_in(spec.command) if name not in have]
            yield from (unknown("command", f"{{{name}}}", have, "column in the tasks file") for name in missing)


def _check_limits(spec: JobSpec) -> Iterator[str]:
    if len(spec.after) > MAX_DEPENDENCIES:
        yield (
            f"--after: {len(spec.after)} jobs given, AWS Batch allows {MAX_DEPENDENCIES};"
            " submit an intermediate job that waits for some of them"
        )
    if spec.timeout_s is not None and spec.timeout_s < MIN_TIMEOUT_S:
        yield f"--timeout of {spec.timeout_s} s: AWS Batch allows {MIN_TIMEOUT_S} s or more; write --timeout 1m"
    if spec.retries is not None and not 0 <= spec.retries <= MAX_RETRIES:
        yield f"--retries {spec.retries}: 0 to {MAX_RETRIES} are allowed"
    if spec.priority is not None and not 0 <= spec.priority <= 9999:
        yield f"--priority {spec.priority}: 0 to 9999 is allowed"
    for flag, value in (("--vcpus", spec.vcpus), ("--memory", spec.memory_mib), ("--gpus", spec.gpus)):
        if value is not None and value < (0 if flag == "--gpus" else 1):
            yield f"{flag} {value}: give a positive number"


def _check_variables(spec: JobSpec) -> Iterator[str]:
    for name in spec.environment:
        if not _VARIABLE.fullmatch(name):
            yield f"--setenv {name!r}: a variable's name is letters, digits and _, not starting with a digit"
        elif name.startswith("AWS_BATCH"):
            yield f"--setenv {name}: names that start with AWS_BATCH are reserved by AWS Batch; choose another"
        elif name.startswith("HPC_") and name not in _KNOBS:
            yield f"--setenv {name}: names that start with HPC_ are reserved; choose another"
    seen = set(spec.environment)
    for flag, name in [*(("--input", i.name) for i in spec.inputs), *(("--output", o) for o in spec.outputs)]:
        if not _VARIABLE.fullmatch(name) or name.startswith(("AWS_", "HPC_")):
            yield (
                f"{flag} {name!r}: the name becomes a variable: letters, digits and _, not starting with a digit,"
                " AWS_ or HPC_"
            )
        if name in seen:
            yield f"{flag} {name}: the name is taken by another input, output or variable"
        seen.add(name)


def _check_input(item: Input) -> Iterator[str]:
    flag = f"--input {item.name}={item.source}"
    if item.is_uri:
        bucket, _, key = item.source.removeprefix("s3://").partition("/")
        if not bucket or not key:
            yield f"{flag}: write s3://bucket/key for an object, s3://bucket/prefix/ for a folder"
    elif not item.path.exists():
        yield f"{flag}: no such file or folder here; paths are relative to the folder you are in"
    elif item.path.is_dir() and not any(path.is_file() for path in item.path.rglob("*")):
        yield f"{flag}: the folder has no file"
