"""Everything that is wrong with a request whatever the environment, all of it at once.

A check yields complaints: what was given, what is allowed, what to do. It calls no service.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from hpc import columns, contract, ranges, runid, signals, wanted
from hpc.data_checks import check_data
from hpc.limits import MAX_ARRAY, MAX_CHILDREN, MAX_NODES, MAX_RETRIES, MIN_TIMEOUT_S
from hpc.spec import JobSpec
from hpc.tasks import Scan
from hpc.wanted import VARIABLE as _VARIABLE
from hpc.words import unknown

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KNOBS = {contract.ENV_EFA, contract.ENV_HEARTBEAT_S, contract.ENV_RENDEZVOUS_TIMEOUT_S, contract.ENV_SCRATCH}


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
    yield from check_data(spec)


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
    missing = [name for name in columns.named_in(spec.command) if name not in have]
    yield from (unknown("command", f"{{{name}}}", have, "column in the tasks file") for name in missing)
    for text in spec.outputs:
        missing = [name for name in wanted.columns_of(wanted.parse(text).destination or "") if name not in have]
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
        yield f"--only {ranges.show(wrong) or 'nothing'}: there are the tasks 0 to {size - 1}"
    children = -(-(size if spec.only is None else ranges.count(ranges.merge(spec.only))) // spec.pack)
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
    if spec.on_failure not in contract.ON_FAILURE:
        yield f"--on-failure {spec.on_failure}: {', '.join(contract.ON_FAILURE)} are allowed"
    if spec.checkpoint_minutes is not None and spec.checkpoint_minutes < 1:
        yield f"--checkpoint {spec.checkpoint_minutes}: give minutes, 1 or more"
    if spec.signal is not None:
        try:
            signals.parse(spec.signal)
        except ValueError as error:
            yield f"--signal {error}"
    for flag, value in (("--vcpus", spec.vcpus), ("--memory", spec.memory_mib), ("--gpus", spec.gpus)):
        if value is not None and value < (0 if flag == "--gpus" else 1):
            yield f"{flag} {value}: give a positive number"


def _check_variables(spec: JobSpec, cells: tuple[columns.Column, ...]) -> Iterator[str]:
    """Check the names of all variables, those that a tasks file's columns set among them."""
    variables = [*spec.environment, *(column.name for column in cells if column.role == "--setenv")]
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            yield f"--setenv {name!r}: a variable's name is letters, digits and _, not starting with a digit"
        elif name.startswith("AWS_BATCH"):
            yield f"--setenv {name}: names that start with AWS_BATCH are reserved by AWS Batch; choose another"
        elif name.startswith("HPC_") and name not in _KNOBS:
            yield f"--setenv {name}: names that start with HPC_ are reserved; choose another"
    seen = set(variables)
    if len(seen) < len(variables):
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
    outputs = [output.name for output in map(wanted.parse, spec.outputs) if output.name]
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
