"""The options of `hpc submit`, in the groups in which its help shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hpc.cli.param_types import DURATION, MEMORY
from hpc.contract.run_request import ON_FAILURE

PATH = click.Path(path_type=Path)


def option(*declarations: str, **settings: Any) -> click.Option:
    return click.Option(declarations, **settings)


GROUPS: dict[str, tuple[click.Option, ...]] = {
    "What to run": (
        option("--script", type=PATH, metavar="FILE", help="Run this script; COMMAND holds its arguments."),
        option(
            "--workdir",
            type=PATH,
            metavar="DIR",
            help="Send this folder, without files that git ignores, and run in a copy of it.",
        ),
        option("--setenv", multiple=True, metavar="NAME=VALUE", help="Set a variable for the command."),
        option(
            "--secret",
            "secrets",
            multiple=True,
            metavar="NAME=ARN",
            help="Set a variable to a secret from Secrets Manager or Parameter Store.",
        ),
        option("--name", metavar="N", help="Name of the run, for people. Default: the first word of the command."),
    ),
    "Where to run": (
        option("--queue", metavar="Q", help="Job queue; hpc queues lists them."),
        option("--definition", metavar="D", help="Job definition of the project. Default: the queue's."),
        option("--image", metavar="IMAGE", help="Container image in place of the definition's: registry/name:tag."),
        option("--project", metavar="P", help="Project. Default: the environment's."),
        option("--share", metavar="ID", help="Share identifier in a fair-share queue. Default: the project's."),
        option("--priority", type=int, metavar="N", help="Priority within the share, 0 to 9999."),
    ),
    "Resources": (
        option("--vcpus", type=int, metavar="N", help="vCPUs of each task or node."),
        option("--memory", type=MEMORY, help="Memory of each task or node, such as 4GiB."),
        option("--gpus", type=int, metavar="N", help="GPUs of each task or node."),
        option("--nodes", type=int, metavar="N", help="Run on N nodes at once; mpirun starts ranks on all of them."),
        option("--slots-per-node", type=int, metavar="S", help="MPI ranks on each node. Default: its vCPUs."),
        option(
            "--every-node", is_flag=True, help="With --nodes: run the command on every node, with RANK, MASTER_ADDR."
        ),
    ),
    "Sweeps": (
        option("--array", type=int, metavar="N", help="Run N tasks; $HPC_INDEX is 0 to N-1."),
        option(
            "--tasks",
            type=PATH,
            metavar="FILE",
            help="Run one task for each row of this CSV, TSV or JSONL file. A column fills {column} in the command, or"
            " what its header names: --setenv NAME, --input NAME, --output NAME.",
        ),
        option("--only", metavar="RANGES", help="Run only these rows or indexes, such as 3,7,10-12."),
        option("--pack", type=int, default=1, metavar="K", help="Run K tasks in each child, one after the other."),
        option("--skip", is_flag=True, help="Leave out tasks whose outputs all exist at their destinations."),
    ),
    "Data": (
        option(
            "--input",
            "inputs",
            multiple=True,
            metavar="NAME=PATH|s3://...",
            help="Stage in a file or folder (S3 folders end in /); the command finds it at $NAME.",
        ),
        option(
            "--output",
            "outputs",
            multiple=True,
            metavar="NAME[=s3://...]|PATTERN",
            help="NAME: the command writes a file or folder to the path in $NAME. PATTERN, such as 'out/*.vtk': files"
            " that it makes below its working directory. A missing one fails the task. s3://...: keep it there.",
        ),
        option(
            "--on-failure",
            type=click.Choice(ON_FAILURE),
            default="all",
            help="Outputs to keep when the command fails; logs: *.log, *.out, *.err.",
        ),
    ),
    "Dependencies": (
        option("--after", multiple=True, metavar="JOB", help="Start when this run or job has succeeded."),
        option(
            "--after-each",
            metavar="RUN",
            help="Start each task when the task of the same number in this run has succeeded.",
        ),
        option("--one-by-one", is_flag=True, help="Start each task when the one before it has succeeded."),
    ),
    "Reliability": (
        option("--retries", type=int, metavar="N", help="Run a failed command up to N more times; lost hosts are"
               " retried without it."),
        option("--timeout", type=DURATION, help="End an attempt after this time, such as 2h; at least 1m."),
        option(
            "--checkpoint",
            "checkpoint_minutes",
            type=int,
            metavar="MINUTES",
            help="Save $HPC_CHECKPOINT_DIR this often and near the end; the next attempt finds it again.",
        ),
        option(
            "--signal",
            metavar="SIG[@SECONDS]",
            help="Send the command this signal SECONDS (60) before its time-out and before a Spot instance ends.",
        ),
        option("--run", "run_id", metavar="RUN_ID", help="Complete this run, if it is the same request."),
        option("--once", metavar="KEY", help="Submit once for this key; repeating the command completes that run."),
    ),
    "Output": (
        option("--wait", "wait_", is_flag=True, help="Wait for the end and exit with the job's exit code."),
        option("--dry-run", is_flag=True, help="Print the exact API requests as JSON and send nothing."),
        option("--json", "as_json", is_flag=True, help="Print the run id and job ids as JSON."),
    ),
}  # fmt: skip


OPTIONS = [item for group in GROUPS.values() for item in group]


class GroupedCommand(click.Command):
    """A command whose help lists its options by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, options in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([record for item in options if (record := item.get_help_record(ctx))])
