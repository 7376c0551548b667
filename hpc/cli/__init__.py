"""The command line: a thin layer over the library. stdout carries ids and data, stderr what people read."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import click

from hpc.cli.app import hpc
from hpc.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED, BadInput, HpcError


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what is under way is recorded as for SIGINT."""


def main() -> None:
    """Run `hpc`; every failure ends in one clear line for each complaint and a documented exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(sys.argv[1:]))


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def run(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    try:
        return hpc.main(arguments, prog_name="hpc", standalone_mode=False) or 0
    except HpcError as error:
        for complaint in error.complaints if isinstance(error, BadInput) else [error]:
            click.echo(f"hpc: {complaint}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:  # click makes the first of the second
        terminated = isinstance(error.__cause__ or error, Terminated)
        word = "terminated" if terminated else "interrupted"
        click.echo(f"hpc: {word}; jobs that were submitted go on", err=True)
        return EXIT_TERMINATED if terminated else EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has enough: hpc logs RUN | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        click.echo(f"hpc: this machine refused: {error}", err=True)
        return EXIT_FAILED
