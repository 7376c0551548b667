"""One task on one node: its folders, the variables that its command finds, and its traces removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.contract import exit_codes, variables
from hpc.contract.run_request import LOG_SUFFIXES, RunRequest
from hpc.contract.task_status import StoredOutput
from hpc.node import output_files, staging
from hpc.node.failure import Failure, say
from hpc.node.interruption import Interruption
from hpc.node.job_context import JobContext, scratch
from hpc.node.s3.client import S3
from hpc.node.supervisor import Supervisor

if TYPE_CHECKING:
    from hpc.node.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Task:
    s3: S3
    context: JobContext
    request: RunRequest
    """What was asked, with the row of the tasks file filled in."""
    index: int
    """Number of the task within the run: of the first, where the container runs several."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """File of an output below the task's outputs, where it is not the output's name."""
    folder: Path
    """The same path on every node."""
    node_folder: Path
    """This node's own, also where several nodes share a machine."""
    node_log: Path
    quiet: bool = False
    """Whether it is one of many in this container, whose log is kept short."""
    staged_workdir: Path | None = None
    """The working directory as it was sent, where another task of this container has fetched it."""
    interruption: Interruption
    phases: dict[str, Any] = field(default_factory=dict[str, Any])
    """What staging moved and how long the command ran, for the status."""
    before: dict[str, output_files.Stamp] = field(default_factory=dict[str, output_files.Stamp])
    """The files that matched an output's pattern before the command started."""

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs"

    @property
    def workdir(self) -> Path:
        """Where the command runs: a copy of the folder that was sent, else where the image says."""
        if not self.request.workdir:
            return Path.cwd()
        return (self.folder if self.context.nodes > 1 else self.node_folder) / "work"

    @property
    def outputs(self) -> Path:
        return self.node_folder / "outputs"

    def stage_in(self) -> dict[str, str]:
        """Fetch the inputs; return the environment of the command.

        Raises:
            Failure: an input could not be fetched.
        """
        wanted = [(item, self.inputs / item.name) for item in self.request.inputs]
        workdir = self.request.workdir
        if workdir and not self.staged_workdir:
            wanted.append((workdir, self.workdir))
        paths, moved = staging.stage_in(self.s3, self.context, wanted, self.folder)
        self._note("stage_in", moved)
        if workdir:
            paths.pop(workdir.name, None)
            paths["PWD"] = str(self.workdir)
        self._prepare_folders()
        if checkpoint := self.checkpoint:
            restored = checkpoint.restore()
            if restored.files:
                say(f"restored the checkpoint: {restored}")
            paths[variables.ENV_CHECKPOINT_DIR] = str(checkpoint.folder)
        self.before.update(output_files.stamps(self.workdir, self.request.patterns))
        return {
            **os.environ,
            **self.request.environment,
            variables.ENV_INDEX: str(self.index),
            variables.ENV_INPUT_DIR: str(self.inputs),
            variables.ENV_OUTPUT_DIR: str(self.outputs),
            variables.ENV_NODE_LOG: str(self.node_log),
            **paths,
            **{name: str(path) for name, path in self._named()},
        }

    def _prepare_folders(self) -> None:
        try:
            if self.staged_workdir:
                shutil.copytree(self.staged_workdir, self.workdir)
            for _, path in self._named():
                path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, shutil.Error) as error:
            raise Failure(exit_codes.STAGE_IN, f"cannot prepare the folders of this task: {error}") from error

    def stage_out(self, *, failed: bool = False) -> list[StoredOutput]:
        """Send what the command left on this node; nodes other than the main one send it to `node-<k>/`.

        Raises:
            Failure: a file could not be sent.
        """
        files = self._leaving()
        if failed and self.request.on_failure != "all":
            kept = LOG_SUFFIXES if self.request.on_failure == "logs" else ()
            files = {key: path for key, path in files.items() if path.suffix in kept}
        stored, moved = staging.stage_out(self.s3, self.context.bucket, files, self.node_folder)
        self._note("stage_out", moved)
        return stored

    def _note(self, phase: str, moved: staging.TransferStats) -> None:
        self.phases[phase] = asdict(moved)
        if moved.files and not self.quiet:
            say(f"{phase.replace('_', ' ')}: {moved}")

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        if not self.request.checkpoint_minutes:
            return None
        from hpc.node.checkpoint import Checkpoint

        node = self.context.node if self.context.nodes > 1 else None
        prefix = self.context.paths.checkpoint(self.index, node)
        folder = self.node_folder / "checkpoint"
        return Checkpoint(s3=self.s3, bucket=self.context.bucket, prefix=prefix, folder=folder)

    @contextlib.contextmanager
    def watched(self, supervisor: Supervisor, *, only_tells: bool = False) -> Generator[None]:
        """Watch for the end of this attempt, and save the checkpoint every so many minutes and when the end is near, in
        a process of its own."""
        minutes = self.request.checkpoint_minutes
        save = self._saving(supervisor, self.checkpoint, minutes) if self.checkpoint and minutes else None
        self.interruption.on_notice = save or (lambda: None)
        self.interruption.watch(only_tells=only_tells)
        try:
            yield
        finally:
            self.interruption.rest()
            if save:
                supervisor.never(save)

    @staticmethod
    def _saving(supervisor: Supervisor, checkpoint: Checkpoint, minutes: int) -> Callable[[], None]:
        """Return what saves the checkpoint, now and again."""
        argv = [sys.executable, "-m", "hpc.node.checkpoint"]
        argv += [str(checkpoint.folder), checkpoint.bucket, checkpoint.prefix]
        running: list[bool] = []

        def save() -> None:
            supervisor.later(60.0 * minutes, save)
            if not running:
                running.append(True)
                supervisor.start(argv, os.environ, lambda _: running.clear(), own=True)

        supervisor.later(60.0 * minutes, save)
        return save

    def last_save(self, *, succeeded: bool) -> None:
        """Save what the next attempt goes on with, or remove it when there will be none."""
        if self.checkpoint is None:
            return
        try:
            if not succeeded:
                moved = self.checkpoint.save()
                if moved.files:
                    say(f"checkpoint: {moved}")
            elif self.context.is_main:
                prefix = self.context.paths.checkpoint(self.index, None)
                replace(self.checkpoint, prefix=prefix).remove()
        except Failure as failure:
            say(f"checkpoint: {failure}")

    def _leaving(self) -> dict[str, Path]:
        """Return the files to send, by key."""
        prefix = self.context.paths.output(self.index)
        destinations = dict(self.request.destinations)
        if not self.context.is_main:
            prefix, destinations = f"{prefix}node-{self.context.node}/", dict[str, str]()
        files: dict[str, Path] = {}
        for name, path in output_files.below(self.outputs).items():
            destination = destinations.get(name.partition("/")[0])
            files[output_files.key_at(destination, name) if destination else prefix + name] = path
        for pattern in self.request.patterns:
            for name, path in output_files.made(self.workdir, pattern, self.before).items():
                if files.setdefault(prefix + name, path) != path:
                    raise Failure(exit_codes.STAGE_OUT, f"{path} and {files[prefix + name]} have the same name")
        return files

    def _named(self) -> list[tuple[str, Path]]:
        """Return the outputs that have a name, and where the command is to write them."""
        return [(name, self.outputs / self.files.get(name, name)) for name in self.request.outputs]

    def missing_outputs(self) -> list[str]:
        """Return what the command should have left and has not, in words."""
        names = [f"${name}" for name, path in self._named() if not path.exists()]
        made = ((pattern, output_files.made(self.workdir, pattern, self.before)) for pattern in self.request.patterns)
        return names + [f"{pattern} in {self.workdir}" for pattern, files in made if not files]

    def remove(self) -> None:
        """Remove the folders, and pass on the node log if it is a file of its own."""
        with contextlib.suppress(OSError):
            if self.node_log.parent == self.node_folder:
                sys.stderr.write(self.node_log.read_text(errors="replace"))
        if self.node_folder != self.folder:
            shutil.rmtree(self.node_folder, ignore_errors=True)
        if not any(self.folder.glob("node-*")):  # another node of this machine may still be there
            shutil.rmtree(self.folder, ignore_errors=True)


def prepare(s3: S3, context: JobContext, request: RunRequest, env: Mapping[str, str], supervisor: Supervisor) -> Task:
    """Make the folders of a task.

    Raises:
        Failure: they cannot be made.
    """
    folder = scratch(context, {**env, **request.environment})
    node_folder = folder / f"node-{context.node}" if context.nodes > 1 else folder
    try:
        (folder / "inputs").mkdir(exist_ok=True)
        (node_folder / "outputs").mkdir(parents=True, exist_ok=True)
        node_log = _node_log(node_folder)
    except OSError as error:
        raise Failure(exit_codes.STAGE_IN, f"cannot make folders in {folder}: {error.strerror}") from error
    interruption = Interruption(supervisor, request, env)
    return Task(
        s3=s3,
        context=context,
        request=request,
        index=request.layout.index(request.layout.positions(context.part, context.array_index).start),
        folder=folder,
        node_folder=node_folder,
        node_log=node_log,
        interruption=interruption,
    )


def _node_log(node_folder: Path) -> Path:
    """Return a path whose text appears in this node's log: hpc-node's own stderr, as any process of the same user
    may open it, or a file that is passed on at the end where stderr cannot be opened (a socket)."""
    own = Path(f"/proc/{os.getpid()}/fd/2")
    try:
        if stat.S_ISREG(os.fstat(2).st_mode):  # else our next line would overwrite what a rank appended
            fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL) | os.O_APPEND)
        with own.open("a"):
            return own
    except OSError:
        path = node_folder / "log"
        path.touch()
        return path
