"""`hpc` and its global options. A command's module is imported when the command runs, to keep start-up short."""

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
    """A group that imports the module of a command when it runs or shows its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        return getattr(importlib.import_module(_COMMANDS[cmd_name]), cmd_name)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--env", metavar="NAME", help="Environment. Default: $HPC_ENV, then the only one in the account.")
@click.option("--profile", metavar="NAME", help="Profile in the AWS configuration files.")
@click.option("--region", metavar="REGION", help="AWS Region. Default: the profile's.")
@click.version_option(package_name="hpc-batch")
@click.pass_context
def hpc(ctx: click.Context, env: str | None, profile: str | None, region: str | None) -> None:
    """Run work on AWS Batch.

    \b
      hpc submit -- python -c 'print(42)'              one job
      hpc submit --tasks sweep.csv -- ./model {alpha}   one task for each row
      hpc submit --nodes 4 -- mpirun ./solver           MPI on four nodes
      hpc status RUN; hpc logs -f RUN; hpc fetch RUN    RUN is the id that submit printed

    Exit codes: 0 success; 1 AWS or this machine refused; 2 bad input, nothing was sent; 130 interrupted. wait and
    submit --wait exit with the code of the job (125: it ended before its command could exit).
    """
    ctx.obj = connect(env, profile=profile, region=region)


pass_cluster = click.make_pass_decorator(Cluster)


def hint(*lines: str) -> None:
    """Print useful next commands on stderr."""
    for line in lines:
        click.echo(f"  {line}", err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows below their header, columns two spaces apart: readable on a terminal, and cut by awk."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
