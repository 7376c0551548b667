"""One task on one node: its folders, the environment of its command, staging and clean-up."""

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
    """One task on one node."""

    s3: S3
    context: JobContext
    request: RunRequest
    """The request, with the values of the task's row."""
    index: int
    """Number of the task within the run; of the first task if the container runs several."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """File names, below the task's outputs, of outputs whose file name differs from the output's name."""
    folder: Path
    """Folder with the same path on every node."""
    node_folder: Path
    """Folder of this node, separate even if several nodes share a machine."""
    node_log: Path
    quiet: bool = False
    """True for one of several tasks in this container, whose log is kept short."""
    staged_workdir: Path | None = None
    """The unmodified working directory, if it was already fetched for all tasks of this container."""
    interruption: Interruption
    phases: dict[str, Any] = field(default_factory=dict[str, Any])
    """Transfer statistics of staging and the seconds that the command ran, for the status."""
    before: dict[str, output_files.Stamp] = field(default_factory=dict[str, output_files.Stamp])
    """Stamps of the files that matched an output's pattern before the command started."""

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs"

    @property
    def workdir(self) -> Path:
        """Working directory of the command: a copy of the submitted folder, else that of the image."""
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
        inputs = [(item, self.inputs / item.name) for item in self.request.inputs]
        workdir = self.request.workdir
        if workdir and not self.staged_workdir:
            inputs.append((workdir, self.workdir))
        paths, moved = staging.stage_in(self.s3, self.context, inputs, self.folder)
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
            raise Failure(exit_codes.STAGE_IN, f"cannot create the folders of this task: {error}") from error

    def stage_out(self, *, failed: bool = False) -> list[StoredOutput]:
        """Store the outputs of this node; nodes other than the main node store theirs in `node-<k>/`.

        Raises:
            Failure: a file could not be stored.
        """
        files = self._files_by_key()
        if failed and self.request.on_failure != "all":
            suffixes = LOG_SUFFIXES if self.request.on_failure == "logs" else ()
            files = {key: path for key, path in files.items() if path.suffix in suffixes}
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
    def watched(self, supervisor: Supervisor, *, notify_only: bool = False) -> Generator[None]:
        """Watch for the end of this attempt; save the checkpoint in a separate process, every `checkpoint_minutes` and
        when the end is near."""
        minutes = self.request.checkpoint_minutes
        save = self._saving(supervisor, self.checkpoint, minutes) if self.checkpoint and minutes else None
        self.interruption.on_notice = save or (lambda: None)
        self.interruption.watch(notify_only=notify_only)
        try:
            yield
        finally:
            self.interruption.stop()
            if save:
                supervisor.cancel(save)

    @staticmethod
    def _saving(supervisor: Supervisor, checkpoint: Checkpoint, minutes: int) -> Callable[[], None]:
        """Schedule a save of the checkpoint every `minutes`; return the callback that saves now."""
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
        """Save the checkpoint for the next attempt, or remove it if the task has succeeded."""
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

    def _files_by_key(self) -> dict[str, Path]:
        """Return the files to store, by key."""
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
                    raise Failure(
                        exit_codes.STAGE_OUT,
                        f"{path} and {files[prefix + name]} would have the same name in S3; rename one of them",
                    )
        return files

    def _named(self) -> list[tuple[str, Path]]:
        """Return the named outputs and the paths to which the command writes them."""
        return [(name, self.outputs / self.files.get(name, name)) for name in self.request.outputs]

    def check_outputs(self) -> None:
        """Check that the command wrote every output.

        Raises:
            Failure: it did not; with exit code 66.
        """
        output_files.check(self._named(), self.workdir, self.request.patterns, self.before)

    def remove(self) -> None:
        """Remove the folders; copy the node log to stderr if it is a separate file."""
        with contextlib.suppress(OSError):
            if self.node_log.parent == self.node_folder:
                sys.stderr.write(self.node_log.read_text(errors="replace"))
        if self.node_folder != self.folder:
            shutil.rmtree(self.node_folder, ignore_errors=True)
        if not any(self.folder.glob("node-*")):  # another node on this machine may still run
            shutil.rmtree(self.folder, ignore_errors=True)


def prepare(s3: S3, context: JobContext, request: RunRequest, env: Mapping[str, str], supervisor: Supervisor) -> Task:
    """Create a task and its folders.

    Raises:
        Failure: the folders cannot be created.
    """
    folder = scratch(context, {**env, **request.environment})
    node_folder = folder / f"node-{context.node}" if context.nodes > 1 else folder
    try:
        (folder / "inputs").mkdir(exist_ok=True)
        (node_folder / "outputs").mkdir(parents=True, exist_ok=True)
        node_log = _node_log(node_folder)
    except OSError as error:
        raise Failure(exit_codes.STAGE_IN, f"cannot create folders in {folder}: {error.strerror}") from error
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
    """Return a path whose text appears in this node's log: hpc-node's stderr, which processes of the same user may
    open, or, if stderr cannot be opened (a socket), a file that is copied to stderr at the end."""
    own = Path(f"/proc/{os.getpid()}/fd/2")
    try:
        if stat.S_ISREG(os.fstat(2).st_mode):  # else hpc-node's next line would overwrite text that a rank appended
            fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL) | os.O_APPEND)
        with own.open("a"):
            return own
    except OSError:
        path = node_folder / "log"
        path.touch()
        return path
