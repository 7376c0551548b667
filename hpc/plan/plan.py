"""Planning: turns a request into the exact API requests, as values. Nothing here calls a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hpc.aws.environment import Environment
from hpc.common.file_tree import TreeEntry
from hpc.contract import objects
from hpc.contract.placeholders import Column
from hpc.contract.run_request import RunRequest
from hpc.contract.s3_keys import RunPaths
from hpc.contract.task_layout import Layout
from hpc.contract.version import is_newer
from hpc.errors import BadInput
from hpc.plan import custom_definition, local_files
from hpc.plan.custom_definition import DefinitionFacts
from hpc.plan.local_files import Content, LocalFiles, Upload
from hpc.plan.run_request import run_request, task_layout
from hpc.plan.submit_job import barrier_job, submit_jobs
from hpc.plan.task_rows import Rows
from hpc.request import dependencies, index_ranges, messages, output_spec, secret_scan
from hpc.request.batch_limits import MAX_DEPENDENCIES
from hpc.request.checks import check_request, check_uri
from hpc.request.dependencies import Barrier
from hpc.request.job_spec import JobSpec
from hpc.request.target import Target, check_against, check_readable, check_writable
from hpc.request.tasks_file import Scan


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run, ready to send."""

    paths: RunPaths
    bucket: str
    request: RunRequest
    """The run's request.json, without submitter and time."""
    definition: dict[str, Any] | None
    """The RegisterJobDefinition request of a custom definition, which the jobs refer to by name; else None."""
    notes: tuple[str, ...]
    """Notes for the user before the run is sent."""
    uploads: tuple[Upload, ...]
    rows: Rows | None
    barriers: tuple[dict[str, Any], ...]
    """SubmitJob requests of jobs that only wait for others, in order; they are sent first."""
    jobs: tuple[dict[str, Any], ...]
    """The SubmitJob requests of the parts, in order. A `jobId` in a `dependsOn` may be the name of an earlier job."""
    queue: str

    @property
    def run_id(self) -> str:
        return self.paths.run_id


def plan(
    spec: JobSpec,
    environment: Environment,
    run_id: str,
    facts: DefinitionFacts | None = None,
    *,
    complaints: Sequence[str] = (),
) -> Plan:
    """Return the plan of a run.

    Args:
        facts: the services' answers about definition and image, needed if `custom_definition_target` returns a target.
        complaints: found earlier, when the request was parsed.

    Raises:
        BadInput: with every complaint that can be found without calling a service.
    """
    draft = _Draft(spec, environment, run_id, facts)
    if every := [*complaints, *draft.check()]:
        raise BadInput(every)
    return draft.plan()


def custom_definition_target(spec: JobSpec, environment: Environment) -> Target | None:
    """Return the target of a request that needs a custom job definition, if `plan` can derive one."""
    target = _find_target(spec, environment) if custom_definition.is_needed(spec) else None
    return None if target is None or any(custom_definition.check(spec, target, environment.meta)) else target


@dataclass(frozen=True)
class _Draft:
    """A request being planned: each value is derived once, on first use."""

    spec: JobSpec
    environment: Environment
    run_id: str
    facts: DefinitionFacts | None

    def check(self) -> Iterator[str]:
        """Yield every complaint. Dependencies, and the content of files, which may be large, are checked only if the
        request has no other complaint."""
        complaints = [*self._check_request()] or [*self._check_dependencies(), *self.content.complaints]
        yield from complaints or self._check_contract()

    def plan(self) -> Plan:
        """Return the plan of a draft without complaints.

        Raises:
            ValueError: it needs a custom job definition, and `facts` is None.
        """
        if custom_definition.is_needed(self.spec) and self.custom is None:
            raise ValueError("a plan with --image or --secret needs the facts of hpc.submit.job_definitions.find")
        assert self.target is not None  # noqa: S101 - otherwise there was a complaint
        target, barriers = self.target, self._barriers
        jobs = submit_jobs(self.spec, target, self.environment, self.request, self._after[1])
        return Plan(
            paths=RunPaths(project=target.project.name, run_id=self.run_id),
            bucket=self.environment.meta.bucket,
            request=self.request,
            definition=self.custom,
            notes=(self.facts.note,) if self.facts and self.facts.note else (),
            uploads=self.content.uploads,
            rows=self.rows,
            barriers=barriers,
            jobs=tuple(jobs),
            queue=target.queue.name,
        )

    # ------------------------------------------------------------------------------------------------------- checks

    def _check_request(self) -> Iterator[str]:
        yield from local_files.check_files(self.files, self.spec)
        yield from _check_target(self.spec, self.environment)
        yield from check_request(self.spec, self.scan)
        if self.target is None or self._named is None:
            return
        meta = self.environment.meta
        if custom_definition.is_needed(self.spec):
            yield from custom_definition.check(self.spec, self._named, meta)
            yield from custom_definition.check_facts(self.facts, self._named, meta)
            yield from custom_definition.check_size(self.custom or {})
        yield from check_against(self.spec, self.target, meta)

    def _check_contract(self) -> Iterator[str]:
        meta = self.environment.meta
        if is_newer(self.request.needs, meta.version):
            yield (
                f"this request needs contract {self.request.needs}, but environment {meta.environment} was deployed"
                f" with {meta.version}, whose images would run it incorrectly: ask the platform team to push a new"
                f" image and deploy it (make push ENV={meta.environment}, then cdk deploy), or install the hpc-batch"
                " that the environment was deployed from"
            )

    def _check_dependencies(self) -> Iterator[str]:
        if self._after[0] and self._barrier_target is None:
            yield (
                f"--after: {len(self.spec.after)} jobs given, AWS Batch allows {MAX_DEPENDENCIES}; more need barrier"
                " jobs, and the environment has no queue of single jobs for them"
            )
        own = [self.layout.children(part) for part in range(len(self.layout.parts))]
        parents = [parent.children for parent in self.spec.after_each]
        if parents and parents != own:
            yield (
                f"--after-each: that run has {messages.arrays(parents)}, this one {messages.arrays(own)}; give both"
                " the same number of tasks (and the same --pack), or wait for the whole run with --after"
            )

    # ------------------------------------------------------------------------------------------------------- values

    @cached_property
    def _named(self) -> Target | None:
        """The target that the request names."""
        return _find_target(self.spec, self.environment)

    @cached_property
    def target(self) -> Target | None:
        """The target, with the custom job definition if the request needs one."""
        if self._named is None or self.custom is None or self.facts is None:
            return self._named
        return custom_definition.with_definition(self._named, self.custom, self.facts)

    @cached_property
    def custom(self) -> dict[str, Any] | None:
        """The RegisterJobDefinition request, if one is needed and can be derived."""
        spec, target, facts, meta = self.spec, self._named, self.facts, self.environment.meta
        if target is None or facts is None or not custom_definition.is_needed(spec):
            return None
        if any(custom_definition.check(spec, target, meta)) or (spec.image and not facts.image):
            return None
        return custom_definition.derive(spec, target, self.environment.name, facts)

    @cached_property
    def _scanned(self) -> tuple[Scan | None, Mapping[str, tuple[TreeEntry, ...]]]:
        """The scan of the tasks file, and the local files that its cells name."""
        if self.spec.tasks is None:
            return None, {}
        cells = dict[str, tuple[TreeEntry, ...]]()
        check = _cell_check(self._named, self.environment.meta, cells)
        return self.spec.tasks.scan(self._only, check, output_spec.clash_check(self.spec.outputs)), cells

    @property
    def scan(self) -> Scan | None:
        return self._scanned[0]

    @cached_property
    def files(self) -> LocalFiles:
        return replace(local_files.find(self.spec), cells=self._scanned[1])

    @cached_property
    def content(self) -> Content:
        return local_files.read(self.files)

    @property
    def _only(self) -> tuple[tuple[int, int], ...] | None:
        return None if self.spec.only is None else index_ranges.merge(self.spec.only)

    @cached_property
    def layout(self) -> Layout:
        return task_layout(self.spec, self.scan.chosen if self.scan else None)

    @cached_property
    def rows(self) -> Rows | None:
        if self.spec.tasks is None or self.scan is None:
            return None
        roles = tuple(sorted({column.role for column in self.scan.columns if column.role}))
        return Rows(
            file=self.spec.tasks,
            only=self._only,
            count=self.scan.chosen,
            size=self.scan.size,
            sha256=self.scan.sha256,
            column_roles=roles,
            local_files=self.content.cells,
        )

    @cached_property
    def request(self) -> RunRequest:
        assert self.target is not None  # noqa: S101 - otherwise there was a complaint
        name = self.custom["jobDefinitionName"] if self.custom else None
        return run_request(self.spec, self.target, self.run_id, self.layout, self.rows, self.content, name)

    @cached_property
    def _after(self) -> tuple[list[Barrier], list[str]]:
        """The barriers that `--after` needs, and the dependencies of the run's jobs."""
        free = MAX_DEPENDENCIES - (1 if self.spec.after_each else 0) - (2 if self.spec.one_by_one else 0)
        return dependencies.barriers(self.spec.after, self.run_id, most=free)

    @cached_property
    def _barrier_target(self) -> Target | None:
        """Queue and definition of barriers: the run's queue, or the first one of single jobs."""
        if self.target is None:
            return None
        definitions = self.environment.definitions_of(self.target.project.name)
        for queue in (self.target.queue, *self.environment.queues.values()):
            if queue.kind == "single" and queue.definition in definitions:
                return replace(self.target, queue=queue, definition=definitions[queue.definition])
        return None

    @property
    def _barriers(self) -> tuple[dict[str, Any], ...]:
        to = self._barrier_target
        if to is None:
            return ()
        return tuple(barrier_job(item, self.spec, to, self.environment, self.run_id) for item in self._after[0])


def _cell_check(
    target: Target | None, meta: objects.Meta, cells: dict[str, tuple[TreeEntry, ...]]
) -> Callable[[Column, str], Iterator[str]]:
    """Return the check of a cell of a column with a role.

    Args:
        cells: receives the local files that cells name.
    """

    def check(column: Column, cell: str) -> Iterator[str]:
        yield from (f"{column.role} {column.name}: {text}" for text in _check_cell(column, cell))

    def _check_cell(column: Column, cell: str) -> Iterator[str]:
        if column.role == "--setenv":
            if secret := secret_scan.kind(cell):
                yield f"this looks like {secret}; pass it to all tasks with --secret NAME=<its ARN>"
        elif cell.startswith("s3://"):
            wrong = [*check_uri(cell)]
            allowed = check_writable if column.role == "--output" else check_readable
            yield from wrong or (allowed(cell, target, meta) if target else ())
        elif column.role == "--output":
            yield from output_spec.check_file_name(cell)
        elif column.role == "--input":
            yield from _check_local(cell)

    def _check_local(cell: str) -> Iterator[str]:
        if cell in cells:
            return
        if not cell or not Path(cell).exists():
            yield f"{cell!r}: no such file or folder on this machine; write a path or s3://bucket/key"
            return
        cells[cell] = local_files.entries(Path(cell))
        yield from local_files.check_entries(cell, cells[cell])

    return check


def _find_target(spec: JobSpec, environment: Environment) -> Target | None:
    """Return project, queue and definition; None if one is unknown."""
    project = environment.projects.get(spec.project or environment.meta.default_project)
    queue = environment.queues.get(spec.queue or _default_queue(spec, environment))
    if project is None or queue is None:
        return None
    definition = environment.definitions_of(project.name).get(spec.definition or queue.definition)
    return None if definition is None else Target(project=project, queue=queue, definition=definition)


def _check_target(spec: JobSpec, environment: Environment) -> Iterator[str]:
    """Check that project, queue and definition exist."""
    project = spec.project or environment.meta.default_project
    queue = spec.queue or _default_queue(spec, environment)
    if project not in environment.projects:
        yield messages.unknown("--project", project, environment.projects, "project")
    if queue not in environment.queues:
        yield messages.unknown("--queue", queue, environment.queues, "queue")
    if project in environment.projects and queue in environment.queues:
        name, known = spec.definition or environment.queues[queue].definition, environment.definitions_of(project)
        if name not in known:
            yield messages.unknown("--definition", name, known, f"definition in project {project}")


def _default_queue(spec: JobSpec, environment: Environment) -> str:
    kind: objects.Kind = "single" if spec.nodes is None else "multi-node"
    of_kind = [queue.name for queue in environment.queues.values() if queue.kind == kind]
    return of_kind[0] if len(of_kind) == 1 else objects.DEFAULT_QUEUES[kind]
