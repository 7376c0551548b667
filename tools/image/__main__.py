"""`make image`, `make push`."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import click

import hpc
from tools.image import bootstrap, context, efa, engine
from tools.image import push as pushing
from tools.synthesis import ROOT, environments_option

CACHE = ROOT / ".local" / "image"
NAME = "hpc-batch"


@click.group()
def main() -> None:
    """The image of the job definitions."""


_target = click.option("--target", default="runtime", help="Stage of container/Dockerfile.", show_default=True)
_efa = click.option("--efa", "with_efa", is_flag=True, help="With AWS's libfabric and Open MPI, for EFA.")
_engine = click.option(
    "--engine", "engine_name", type=click.Choice(engine.ENGINES), help="[default: the one installed]"
)


@main.command()
@_target
@_efa
@_engine
@click.option("--base", help="Base image by digest instead of the Dockerfile's; `bootstrap` makes one from Debian.")
@click.option("--arch", help="x86_64 or arm64.  [default: this machine's]")
def build(target: str, base: str | None, with_efa: bool, arch: str | None, engine_name: str | None) -> None:
    """Build an image and print its name, `hpc-batch:TARGET` or `hpc-batch:TARGET-efa`."""
    builder, architecture = engine.find(engine_name), engine.architecture(arch)
    name = builder.local(_name(target, with_efa))
    if base == "bootstrap":
        base = bootstrap.base(builder, CACHE, architecture)
    installer = efa.installer(CACHE) if with_efa else None
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="context-", dir=CACHE) as folder:
        context.gather(Path(folder), CACHE / "wheels", architecture, installer)
        builder.run(
            "build", "--file", f"{folder}/Dockerfile", "--target", target, "--tag", name,
            "--platform", f"linux/{architecture}", *_arguments(FABRIC="efa" if with_efa else "tcp", **_source()),
            *(_arguments(BASE_IMAGE=base) if base else []),
            # Only the EFA installer downloads packages.
            *([] if with_efa else ["--network", "none"]), folder,
        )  # fmt: skip
    click.echo(name)


@main.command()
@_target
@_efa
@_engine
@environments_option
@click.argument("environment")
def push(target: str, with_efa: bool, engine_name: str | None, folder: Path, environment: str) -> None:
    """Push the image to ENVIRONMENT's repository and print its digest."""
    builder = engine.find(engine_name)
    digest = pushing.push(builder, builder.local(_name(target, with_efa)), environment)
    click.echo(f"pin it in {folder.name}/{environment}.yaml:\n\nimage: {{digest: {digest!r}}}\n", err=True)
    click.echo(f"or deploy it now: cdk deploy --all -c env={environment} -c image_digest={digest}", err=True)
    click.echo(digest)


def _name(target: str, with_efa: bool) -> str:
    return f"{NAME}:{target}{'-efa' if with_efa else ''}"


def _arguments(**values: str) -> list[str]:
    return [word for name, value in values.items() for word in ("--build-arg", f"{name}={value}")]


def _source() -> dict[str, str]:
    """Return the build arguments for the version and the commit."""
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    asked = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False)
    return {"VERSION": hpc.__version__, "REVISION": asked.stdout.strip() or "unknown"}


if __name__ == "__main__":
    main()
