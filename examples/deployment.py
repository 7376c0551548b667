"""The unmodified CDK app, deployed to the local cloud by the real CDK CLI, for the demo and the end-to-end tests.

Everything goes through the commands of users: `cdk`, `hpc`, `python -m localcloud`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hpc_stacks.names import stack_name
from localcloud.runtimes import podman_config
from localcloud.session import LocalCloud

ROOT = Path(__file__).resolve().parents[1]
TOOLS = f"{ROOT / 'node_modules' / '.bin'}:{Path(sys.executable).parent}"
"""PATH of `cdk`, `node` and `hpc`, independent of the Makefile."""
ACCOUNT, REGION = "000000000000", "us-east-1"


class CommandFailed(Exception):  # noqa: N818 - the command failed, not this program
    """A command ended with a non-zero exit code; the text has its output."""


@dataclass(frozen=True)
class Deployment:
    """One environment of the app in one local cloud."""

    cloud: LocalCloud
    environment: str
    folder: Path
    """Holds the cloud assembly, the state of `hpc` and the log of commands."""
    environments: Path = ROOT / "environments"
    """Folder of the YAML files."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that all commands need."""
        variables = self.cloud.environment() | {
            "HPC_ENV": self.environment,
            "XDG_STATE_HOME": str(self.folder / "state"),
            "CDK_DISABLE_VERSION_CHECK": "1",
        }
        return variables | (podman_config.environment(ROOT / ".local" / "podman") if self.cloud.runs_containers else {})

    def attempt(self, *command: str, cwd: Path = ROOT, show: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command without checking its exit code; with `show`, its stderr goes to the terminal."""
        environment = os.environ | self.variables | {"PATH": f"{TOOLS}:{os.environ['PATH']}"}
        stderr = None if show else subprocess.PIPE
        ended = subprocess.run(
            command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False
        )
        with (self.folder / "commands.log").open("a") as log:
            log.write(f"$ {shlex.join(command)}\n{ended.stderr or ''}{ended.stdout}\n")
        return ended

    def show(self, *command: str) -> str:
        """Run a command that must succeed, with its stderr on the terminal; return its stdout."""
        return self._stdout(self.attempt(*command, show=True))

    def run(self, *command: str, cwd: Path = ROOT) -> str:
        """Run a command that must succeed and return its stdout.

        Raises:
            CommandFailed: it failed; the text has the command and the end of its output.
        """
        return self._stdout(self.attempt(*command, cwd=cwd))

    @staticmethod
    def _stdout(ended: subprocess.CompletedProcess[str]) -> str:
        if ended.returncode:
            printed = "\n".join(((ended.stderr or "") + ended.stdout).splitlines()[-30:])
            raise CommandFailed(f"{shlex.join(ended.args)} ended with exit code {ended.returncode}:\n{printed}")
        return ended.stdout.strip()

    def cdk(self, *arguments: str, app: Path | None = None) -> str:
        """Run the CDK CLI on the app or on an existing cloud assembly."""
        source = ["--app", str(app)] if app else ["--output", str(self.assembly)]
        context = [f"env={self.environment}", f"environments={self.environments}"]
        chosen = [word for item in context for word in ("--context", item)]
        return self.run("cdk", "--no-notices", "--ci", *arguments, *source, *chosen)

    @property
    def assembly(self) -> Path:
        return self.folder / "cdk.out"

    def bootstrap(self) -> None:
        """Create the bucket and the roles that the CDK CLI needs."""
        self.run("cdk", "--no-notices", "--ci", "bootstrap", f"aws://{ACCOUNT}/{REGION}", cwd=self.folder)

    def deploy_foundation(self) -> None:
        """Deploy the foundation stack, which has the repository to push to."""
        outputs = ["--outputs-file", str(self._outputs)]
        self.cdk("deploy", self.foundation_stack, "--require-approval", "never", *outputs)

    def push_image(self) -> str:
        """Push the job image, or for the process executor an empty image with the entrypoint `hpc-node`. Return the
        digest."""
        if self.cloud.runs_containers:
            self.run(sys.executable, "-m", "tools.image", "build", "--base", "bootstrap")
            return self.run(sys.executable, "-m", "tools.image", "push", self.environment)
        repository = json.loads(self._outputs.read_text())[self.foundation_stack]["RepositoryUri"]
        push = [sys.executable, "-m", "localcloud", "push-image", "--repository", repository, "--tag", "demo"]
        return self.run(*push)

    def deploy_all(self, digest: str) -> None:
        """Deploy all stacks, with job definitions that use the image."""
        self._deploy("--all", digest)

    def deploy_compute(self, digest: str) -> None:
        """Deploy the compute stack and what it depends on, without the operations stack, which gets every job event."""
        self._deploy(stack_name(self.environment, "Compute"), digest)

    def _deploy(self, stacks: str, digest: str) -> None:
        self.cdk("deploy", stacks, "--require-approval", "never", "--context", f"image_digest={digest}")

    def destroy_all(self) -> None:
        """Destroy all stacks, including the data."""
        source = ["--environments", str(self.environments), "--app", str(self.assembly)]
        self.run(sys.executable, "-m", "tools.destroy", self.environment, "--yes", *source)

    def hpc(self, *arguments: str) -> str:
        """Run `hpc` and return its stdout."""
        return self.run("hpc", *arguments)

    @property
    def foundation_stack(self) -> str:
        return stack_name(self.environment, "Foundation")

    @property
    def _outputs(self) -> Path:
        return self.folder / "outputs.json"
