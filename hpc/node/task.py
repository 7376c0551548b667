"""One task on one node: its folders, the variables that its command finds, and its traces removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpc import contract
from hpc.node import outputs, storage
from hpc.node.failure import Failure
from hpc.node.place import Place, scratch
from hpc.node.request import Request
from hpc.node.s3 import S3


@dataclass(frozen=True, kw_only=True)
class Task:
    s3: S3
    place: Place
    request: Request
    folder: Path
    """The same path on every node."""
    node_folder: Path
    """This node's own, also where several nodes share a machine."""
    node_log: Path
    staged_workdir: Path | None = None
    """The working directory as it was sent, where another task of this container has fetched it."""
    before: dict[str, outputs.Stamp] = field(default_factory=dict[str, outputs.Stamp])
    """The files that matched an output's pattern before the command started."""

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs"

    @property
    def workdir(self) -> Path:
        """Where the command runs: a copy of the folder that was sent, else where the image says."""
        if not self.request.workdir:
            return Path.cwd()
        return (self.folder if self.place.nodes > 1 else self.node_folder) / "work"

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
        paths, _ = storage.stage_in(self.s3, self.place, wanted, self.folder)
        if workdir:
            paths.pop(workdir.name, None)
            paths["PWD"] = str(self.workdir)
        self._prepare_folders()
        self.before.update(outputs.stamps(self.workdir, self.request.patterns))
        return {
            **os.environ,
            **self.request.environment,
            contract.ENV_INDEX: str(self.request.index),
            contract.ENV_INPUT_DIR: str(self.inputs),
            contract.ENV_OUTPUT_DIR: str(self.outputs),
            contract.ENV_NODE_LOG: str(self.node_log),
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
            raise Failure(contract.EXIT_STAGE_IN, f"cannot prepare the folders of this task: {error}") from error

    def stage_out(self) -> list[storage.Stored]:
        """Send what the command left on this node; nodes other than the main one send it to `node-<k>/`.

        Raises:
            Failure: a file could not be sent.
        """
        return storage.stage_out(self.s3, self.place.bucket, self._leaving(), self.node_folder)[0]

    def _leaving(self) -> dict[str, Path]:
        """Return the files to send, by key."""
        prefix = self.place.paths.output(self.request.index)
        destinations = self.request.destinations
        if not self.place.is_main:
            prefix, destinations = f"{prefix}node-{self.place.node}/", {}
        files: dict[str, Path] = {}
        for name, path in outputs.below(self.outputs).items():
            destination = destinations.get(name.partition("/")[0])
            files[outputs.key_at(destination, name) if destination else prefix + name] = path
        for pattern in self.request.patterns:
            for name, path in outputs.made(self.workdir, pattern, self.before).items():
                if files.setdefault(prefix + name, path) != path:
                    raise Failure(contract.EXIT_STAGE_OUT, f"{path} and {files[prefix + name]} have the same name")
        return files

    def _named(self) -> list[tuple[str, Path]]:
        """Return the outputs that have a name, and where the command is to write them."""
        return [(name, self.outputs / self.request.files.get(name, name)) for name in self.request.outputs]

    def missing_outputs(self) -> list[str]:
        """Return what the command should have left and has not, in words."""
        names = [f"${name}" for name, path in self._named() if not path.exists()]
        made = ((pattern, outputs.made(self.workdir, pattern, self.before)) for pattern in self.request.patterns)
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


def prepare(s3: S3, place: Place, request: Request, env: Mapping[str, str]) -> Task:
    """Make the folders of a task.

    Raises:
        Failure: they cannot be made.
    """
    folder = scratch(place, {**env, **request.environment})
    node_folder = folder / f"node-{place.node}" if place.nodes > 1 else folder
    try:
        (folder / "inputs").mkdir(exist_ok=True)
        (node_folder / "outputs").mkdir(parents=True, exist_ok=True)
        node_log = _node_log(node_folder)
    except OSError as error:
        raise Failure(contract.EXIT_STAGE_IN, f"cannot make folders in {folder}: {error.strerror}") from error
    return Task(s3=s3, place=place, request=request, folder=folder, node_folder=node_folder, node_log=node_log)


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
