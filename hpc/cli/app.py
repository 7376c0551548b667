"""`hpc` itself and its options; each command is loaded when it is called, because start-up time is felt."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import click

from hpc.cluster import Cluster, connect

_COMMANDS = {
    "submit": "hpc.cli.submit",
    "status": "hpc.cli.runs",
    "wait": "hpc.cli.runs",
    "logs": "hpc.cli.runs",
    "fetch": "hpc.cli.runs",
    "cancel": "hpc.cli.runs",
    "queues": "hpc.cli.queues",
    "definitions": "hpc.cli.definitions",
}


class LazyGroup(click.Group):
    """Knows the commands' names; imports a command's module when it runs or shows its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        return getattr(importlib.import_module(_COMMANDS[cmd_name]), cmd_name)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--env", metavar="NAME", help="Environment; default: $HPC_ENV, then the only one of the account.")
@click.option("--profile", metavar="NAME", help="Profile of the AWS configuration files.")
@click.option("--region", metavar="REGION", help="AWS Region; default: that of the profile.")
@click.version_option(package_name="hpc-batch")
@click.pass_context
def hpc(ctx: click.Context, env: str | None, profile: str | None, region: str | None) -> None:
    """Run work on AWS Batch.

    \b
      hpc submit -- python -c 'print(42)'              one job
      hpc submit --tasks sweep.csv -- ./model {alpha}   one task a row
      hpc submit --nodes 4 -- mpirun ./solver           MPI over four nodes
      hpc status RUN; hpc logs -f RUN; hpc fetch RUN    RUN is what submit printed

    Exit codes: 0 done; 1 AWS or this machine refused; 2 something given is wrong, nothing was sent; 130 interrupted.
    wait and submit --wait exit with the job's own code (125: it ended before its command could exit).
    """
    ctx.obj = connect(env, profile=profile, region=region)


pass_cluster = click.make_pass_decorator(Cluster)


def hint(*lines: str) -> None:
    """Tell people on stderr what they may want to do next."""
    for line in lines:
        click.echo(f"  {line}", err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows below their header, columns two spaces apart: readable on a terminal, and cut by awk."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
