"""The body of a run's request.json."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpc.common import run_ids
from hpc.contract.objects import VERSION
from hpc.plan.local_files import SCRIPT, LocalFiles, Objects
from hpc.plan.task_rows import Rows
from hpc.request import index_ranges, output_spec, signal_spec
from hpc.request.batch_limits import MAX_ARRAY
from hpc.request.job_spec import JobSpec
from hpc.request.target import Target


def body(
    spec: JobSpec, target: Target, run_id: str, rows: Rows | None, files: LocalFiles, content: Objects
) -> dict[str, Any]:
    outputs = [output_spec.parse(text) for text in spec.outputs]
    only = None if spec.only is None else index_ranges.merge(spec.only)
    size = rows.count if rows else index_ranges.count(only) if only else spec.array or 1
    return {
        "version": VERSION,
        "run_id": run_id,
        "project": target.project.name,
        "name": spec.name or _name_of(spec),
        "queue": target.queue.name,
        "definition": target.definition.name,
        "image": target.definition.image if spec.image else None,
        "kind": target.queue.kind,
        "command": _command(spec),
        "tasks": rows.count if rows else None,
        "array": spec.array,
        "pack": spec.pack,
        "only": None if only is None else [list(item) for item in only],
        "nodes": spec.nodes,
        "slots_per_node": spec.slots_per_node,
        "every_node": spec.every_node,
        "vcpus": spec.vcpus or target.definition.vcpus,
        "memory_mib": spec.memory_mib or target.definition.memory_mib,
        "gpus": target.definition.gpus if spec.gpus is None else spec.gpus,
        "inputs": [
            *({"name": item.name, "uri": item.source} for item in spec.inputs if item.is_uri),
            *({"name": name, **content.reference(found)} for name, found in files.inputs.items()),
        ],
        "workdir": None if files.workdir is None else content.reference(files.workdir),
        "outputs": [output.name for output in outputs if output.name],
        "destinations": {output.name: output.destination for output in outputs if output.destination},
        "patterns": [output.pattern for output in outputs if output.pattern],
        "environment": dict(spec.environment),
        "parts": [{"offset": offset, "size": length} for offset, length in parts(size, spec.pack)],
        **_ends(spec, target),
    }


def _ends(spec: JobSpec, target: Target) -> dict[str, Any]:
    """Return what is asked for the end of an attempt, as far as it is asked."""
    found: dict[str, Any] = {}
    if spec.on_failure != "all":
        found["on_failure"] = spec.on_failure
    if spec.checkpoint_minutes is not None:
        found["checkpoint_minutes"] = spec.checkpoint_minutes
    if spec.signal is not None:
        name, before_s = signal_spec.parse(spec.signal)
        found["signal"] = {"name": name, "before_s": before_s}
        found["timeout_s"] = spec.timeout_s or target.definition.timeout_s
    return found


def parts(size: int, pack: int) -> Iterator[tuple[int, int]]:
    """Yield first position and number of tasks of each Batch job: an array has no more than 10,000 children."""
    for offset in range(0, size, MAX_ARRAY * pack):
        yield offset, min(MAX_ARRAY * pack, size - offset)


def _command(spec: JobSpec) -> list[str]:
    if spec.script is None:
        return list(spec.command)
    return ["/bin/sh", "-c", f'exec "${SCRIPT}" "$@"', spec.script.name, *spec.command]


def _name_of(spec: JobSpec) -> str:
    """Return the script's name or the command's first word as a job name."""
    first = spec.script.stem if spec.script else Path(spec.command[0]).name
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", first).strip("-_")
    return word[: run_ids.MAX_NAME] or "job"


def digest(request: dict[str, Any], spec: JobSpec, rows: Rows | None) -> str:
    """Hash what was asked, with the content of every file, so that a resumed run is known to be the same."""
    found = hashlib.sha256(json.dumps(request, sort_keys=True).encode())
    each = [parent.job_id for parent in spec.after_each]
    secrets = sorted(spec.secrets.items())
    after = json.dumps(
        [secrets, spec.after, each, spec.one_by_one, spec.retries, spec.timeout_s, spec.share, spec.priority]
    )
    found.update(after.encode())
    if rows:
        found.update(json.dumps([rows.sha256, rows.local_files], sort_keys=True).encode())
    return found.hexdigest()
