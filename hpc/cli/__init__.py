"""The command line: a thin layer over the library. stdout carries ids and data, stderr the text for people."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import click

from hpc.cli.app import hpc
from hpc.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED, BadInput, HpcError


class Terminated(KeyboardInterrupt):
    """SIGTERM: work in progress is recorded as for SIGINT."""


def main() -> None:
    """Run `hpc`. A failure prints one line for each complaint and ends with a documented exit code."""
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
    except (click.Abort, KeyboardInterrupt) as error:  # click turns the second into the first
        terminated = isinstance(error.__cause__ or error, Terminated)
        word = "terminated" if terminated else "interrupted"
        click.echo(f"hpc: {word}; submitted jobs keep running", err=True)
        return EXIT_TERMINATED if terminated else EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has closed it: hpc logs RUN | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        click.echo(f"hpc: this machine refused: {error}", err=True)
        return EXIT_FAILED
