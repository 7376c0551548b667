"""The run's request.json, from what a person asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hpc.common import run_ids
from hpc.contract.run_request import InputReference, RunRequest
from hpc.contract.task_layout import Layout
from hpc.plan.local_files import SCRIPT, Content
from hpc.plan.task_rows import Rows
from hpc.request import index_ranges, output_spec, signal_spec
from hpc.request.batch_limits import MAX_ARRAY
from hpc.request.job_spec import JobSpec
from hpc.request.target import Target


def run_request(
    spec: JobSpec,
    target: Target,
    run_id: str,
    layout: Layout,
    rows: Rows | None,
    content: Content,
    custom_definition: str | None,
) -> RunRequest:
    """Return the request, but for who submits when.

    Args:
        custom_definition: name of the job definition that the run brings along.
    """
    outputs = [output_spec.parse(text) for text in spec.outputs]
    signal = signal_spec.parse(spec.signal) if spec.signal else None
    request = RunRequest(
        run_id=run_id,
        project=target.project.name,
        name=spec.name or _name_of(spec),
        queue=target.queue.name,
        definition=target.definition.name,
        kind=target.queue.kind,
        command=_command(spec),
        layout=layout,
        vcpus=spec.vcpus or target.definition.vcpus,
        memory_mib=spec.memory_mib or target.definition.memory_mib,
        gpus=target.definition.gpus if spec.gpus is None else spec.gpus,
        tasks=rows.count if rows else None,
        array=spec.array,
        nodes=spec.nodes,
        inputs=(*(InputReference(name=item.name, uri=item.source) for item in spec.inputs if item.is_uri),
                *content.inputs),
        outputs=tuple(output.name for output in outputs if output.name),
        environment=dict(spec.environment),
        image=target.definition.image if spec.image else None,
        own_definition=custom_definition,
        slots_per_node=spec.slots_per_node,
        every_node=spec.every_node,
        workdir=content.workdir,
        destinations={output.name: output.destination for output in outputs if output.destination},
        patterns=tuple(output.pattern for output in outputs if output.pattern),
        column_roles=rows.column_roles if rows else (),
        on_failure=spec.on_failure,
        checkpoint_minutes=spec.checkpoint_minutes,
        signal=signal,
        timeout_s=(spec.timeout_s or target.definition.timeout_s) if signal else None,
    )  # fmt: skip
    return replace(request, sha256=_digest(request, spec, rows))


def task_layout(spec: JobSpec, rows: int | None) -> Layout:
    """Return which Batch job runs which tasks.

    Args:
        rows: chosen rows of the tasks file; None without one.
    """
    only = None if spec.only is None else index_ranges.merge(spec.only)
    size = rows or (index_ranges.count(only) if only else spec.array) or 1
    return Layout(parts=tuple(_parts(size, spec.pack)), pack=spec.pack, only=only)


def _parts(size: int, pack: int) -> Iterator[tuple[int, int]]:
    """Yield first position and number of tasks of each Batch job: an array has no more than 10,000 children."""
    for offset in range(0, size, MAX_ARRAY * pack):
        yield offset, min(MAX_ARRAY * pack, size - offset)


def _command(spec: JobSpec) -> tuple[str, ...]:
    if spec.script is None:
        return spec.command
    return ("/bin/sh", "-c", f'exec "${SCRIPT}" "$@"', spec.script.name, *spec.command)


def _name_of(spec: JobSpec) -> str:
    """Return the script's name or the command's first word as a job name."""
    first = spec.script.stem if spec.script else Path(spec.command[0]).name
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", first).strip("-_")
    return word[: run_ids.MAX_NAME] or "job"


def _digest(request: RunRequest, spec: JobSpec, rows: Rows | None) -> str:
    """Hash what was asked, with the content of every file, so that a resumed run is known to be the same."""
    each = [parent.job_id for parent in spec.after_each]
    scheduling = [spec.one_by_one, spec.retries, spec.timeout_s, spec.share, spec.priority]
    content = [rows.sha256, {cell: found.to_json() for cell, found in rows.local_files.items()}] if rows else []
    return request.digest(sorted(spec.secrets.items()), spec.after, each, scheduling, content)
