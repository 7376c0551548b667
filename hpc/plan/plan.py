"""From a request to what will be sent: the exact API requests, as values. Nothing here calls a service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hpc.aws.environment import Environment
from hpc.contract import objects
from hpc.contract.paths import RunPaths
from hpc.contract.placeholders import Column
from hpc.contract.task_layout import Layout, Range
from hpc.errors import BadInput
from hpc.plan import custom_definition, local_files
from hpc.plan.custom_definition import DefinitionFacts
from hpc.plan.local_files import LocalFiles, Objects, Upload
from hpc.plan.run_request import body, digest
from hpc.plan.submit_job import barrier_job, submit_jobs
from hpc.plan.task_rows import Rows
from hpc.request import dependencies, index_ranges, messages, output_spec, secret_scan
from hpc.request.batch_limits import MAX_DEPENDENCIES
from hpc.request.checks import check_request, check_uri
from hpc.request.job_spec import JobSpec
from hpc.request.messages import unknown
from hpc.request.target import Target, check_against, check_readable, check_writable
from hpc.request.tasks_file import CheckCell, Scan


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run, ready to be sent."""

    paths: RunPaths
    bucket: str
    request: dict[str, Any]
    """The body of `request.json`, but for who submits when."""
    definition: dict[str, Any] | None
    """The RegisterJobDefinition request of a definition that this run alone may need; the jobs name it."""
    notes: tuple[str, ...]
    """What people should know before it is sent."""
    uploads: tuple[Upload, ...]
    rows: Rows | None
    barriers: tuple[dict[str, Any], ...]
    """SubmitJob requests of jobs that only wait for others, in order; they go first."""
    jobs: tuple[dict[str, Any], ...]
    """The SubmitJob requests of the parts, in order. A `jobId` in a `dependsOn` may be the name of a job that goes
    before."""
    queue: str

    @property
    def run_id(self) -> str:
        return self.paths.run_id


def custom_definition_target(spec: JobSpec, environment: Environment) -> Target | None:
    """Return the target of a request that needs a job definition of its own, if `plan` can make one."""
    target = _target(spec, environment, []) if custom_definition.is_needed(spec) else None
    return None if target is None or any(custom_definition.check(spec, target, environment.meta)) else target


def plan(spec: JobSpec, environment: Environment, run_id: str, told: DefinitionFacts | None = None) -> Plan:
    """Work out what `submit` will send.

    Args:
        told: what the services say of the definition and the image, for a request that is `custom_definition_target`.

    Raises:
        BadInput: the request cannot be right, with every complaint that can be found without a service.
    """
    complaints = list[str]()
    files = local_files.find(spec, complaints)
    target = _target(spec, environment, complaints)
    scan = None
    if spec.tasks:
        check = _cell_check(target, environment.meta, files)
        scan = spec.tasks.scan(_only(spec), check, output_spec.clash_check(spec.outputs))
    complaints += check_request(spec, scan)
    if target is None:
        raise BadInput(complaints)
    target, register = _own_definition(spec, target, environment, told, complaints)
    complaints += check_against(spec, target, environment.meta)
    if complaints:
        raise BadInput(complaints)
    content = Objects(files)
    paths = RunPaths(project=target.project.name, run_id=run_id)
    rows = _rows(spec, scan, {cell: content.reference(found) for cell, found in files.cells.items()})
    request = body(spec, target, run_id, rows, files, content)
    request["own_definition"] = register and register["jobDefinitionName"]
    request["sha256"] = digest(request, spec, rows)
    layout = Layout.of(request)
    complaints += _check_parents(spec, layout)
    after, barriers = _after(spec, target, environment, run_id, complaints)
    if complaints:
        raise BadInput(complaints)
    jobs = tuple(submit_jobs(spec, target, environment, request, after))
    return Plan(
        paths=paths,
        bucket=environment.meta.bucket,
        request=request,
        definition=register,
        notes=(told.note,) if told and told.note else (),
        uploads=content.uploads,
        rows=rows,
        barriers=barriers,
        jobs=jobs,
        queue=target.queue.name,
    )


def _own_definition(
    spec: JobSpec, target: Target, environment: Environment, told: DefinitionFacts | None, complaints: list[str]
) -> tuple[Target, dict[str, Any] | None]:
    """Return the target, with a job definition of the run's own and its RegisterJobDefinition request if it needs
    one."""
    if not custom_definition.is_needed(spec):
        return target, None
    found = [*custom_definition.check(spec, target, environment.meta)]
    complaints += found or _check_found(target, environment.meta, told)
    if found or told is None or (spec.image and not told.image):
        return target, None
    register = custom_definition.derive(spec, target, environment.name, told)
    complaints += custom_definition.check_size(register)
    return custom_definition.with_definition(target, register, told), register


def _check_found(target: Target, meta: objects.Meta, found: DefinitionFacts | None) -> Iterator[str]:
    if found is None:
        raise ValueError("a plan with --image or --secret needs what hpc.submit.job_definitions.find says")
    if found.complaint:
        yield found.complaint
    if found.image:
        yield from custom_definition.check_image(found.image, target, meta)


def _only(spec: JobSpec) -> tuple[Range, ...] | None:
    return None if spec.only is None else index_ranges.merge(spec.only)


def _rows(spec: JobSpec, scan: Scan | None, files: dict[str, dict[str, Any]]) -> Rows | None:
    if spec.tasks is None or scan is None:
        return None
    return Rows(
        file=spec.tasks, only=_only(spec), count=scan.chosen, size=scan.size, sha256=scan.sha256, local_files=files
    )


def _cell_check(target: Target | None, meta: objects.Meta, files: LocalFiles) -> CheckCell:
    """Return what is asked about every cell of a column with a role."""

    def check(column: Column, cell: str) -> str | None:
        if column.role == "--output":
            if cell.startswith("s3://"):
                complaint = check_uri(cell) or (check_writable(cell, target, meta) if target else None)
            else:
                complaint = output_spec.check_file_name(cell)
            return complaint and f"--output {column.name}: {complaint}"
        if column.role == "--setenv" and (found := secret_scan.kind(cell)):
            return f"--setenv {column.name}: this looks like {found}; give it to all tasks by --secret NAME=<its ARN>"
        if column.role != "--input":
            return None
        if not cell.startswith("s3://"):
            found = files.look_up(cell)
            return found and f"--input {column.name}: {found}"
        complaint = check_uri(cell) or (check_readable(cell, target, meta) if target else None)
        return complaint and f"--input {column.name}: {complaint}"

    return check


def _target(spec: JobSpec, environment: Environment, complaints: list[str]) -> Target | None:
    """Find project, queue and definition, or add what is unknown to the complaints."""
    project_name = spec.project or environment.meta.default_project
    project = environment.projects.get(project_name)
    if project is None:
        complaints.append(unknown("--project", project_name, environment.projects, "project"))
    queue_name = spec.queue or _default_queue(spec, environment)
    queue = environment.queues.get(queue_name)
    if queue is None:
        complaints.append(unknown("--queue", queue_name, environment.queues, "queue"))
    if project is None or queue is None:
        return None
    definitions = environment.definitions_of(project.name)
    definition = definitions.get(spec.definition or queue.definition)
    if definition is None:
        name = spec.definition or queue.definition
        complaints.append(unknown("--definition", name, definitions, f"definition in project {project.name}"))
        return None
    return Target(project=project, queue=queue, definition=definition)


def _after(
    spec: JobSpec, target: Target, environment: Environment, run_id: str, complaints: list[str]
) -> tuple[list[str], tuple[dict[str, Any], ...]]:
    """Return what the run's jobs depend on by `--after`, and the SubmitJob requests of barriers where that is too
    much for one job."""
    waiting, after = dependencies.barriers(spec.after, run_id, most=_free_dependencies(spec))
    place = _target_of_barriers(target, environment) if waiting else None
    if place is None:
        if waiting:
            complaints.append(
                f"--after: {len(spec.after)} jobs given, AWS Batch allows {MAX_DEPENDENCIES} without jobs that wait in"
                " between, and the environment has no queue of single jobs for those"
            )
        return after, ()
    return after, tuple(barrier_job(barrier, spec, place, environment, run_id) for barrier in waiting)


def _target_of_barriers(target: Target, environment: Environment) -> Target | None:
    """Return where barriers go: to the run's own queue, or the first one of single jobs."""
    definitions = environment.definitions_of(target.project.name)
    for queue in (target.queue, *environment.queues.values()):
        if queue.kind == "single" and queue.definition in definitions:
            return replace(target, queue=queue, definition=definitions[queue.definition])
    return None


def _free_dependencies(spec: JobSpec) -> int:
    """Return how many entries of `dependsOn` are left for `--after`."""
    return MAX_DEPENDENCIES - (1 if spec.after_each else 0) - (2 if spec.one_by_one else 0)


def _check_parents(spec: JobSpec, layout: Layout) -> Iterator[str]:
    own = [layout.children(part) for part in range(len(layout.parts))]
    parents = [parent.children for parent in spec.after_each]
    if parents and parents != own:
        yield (
            f"--after-each: that run has {messages.arrays(parents)}, this one {messages.arrays(own)}; give both the"
            " same number of tasks (and the same --pack), or wait for all of it with --after"
        )


def _default_queue(spec: JobSpec, environment: Environment) -> str:
    kind: objects.Kind = "single" if spec.nodes is None else "multi-node"
    of_kind = [queue.name for queue in environment.queues.values() if queue.kind == kind]
    return of_kind[0] if len(of_kind) == 1 else objects.DEFAULT_QUEUES[kind]
