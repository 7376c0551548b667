"""Command line of the local cloud."""

from __future__ import annotations

import os
import shlex
import tempfile
from contextlib import nullcontext
from pathlib import Path

import click

import localcloud
from localcloud.settings import HOST, ExecutorName, Settings


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=localcloud.NOT_MODELLED,
)
def cli() -> None:
    """AWS on this machine, without an account: ministack, with an AWS Batch that really runs jobs.

    Start it, point any AWS client at the URL it prints, and push an image before the first job:

    \b
        python -m localcloud serve --port 4566
        export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1
        export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
        cdk bootstrap && cdk deploy --all
        python -m localcloud push-image --repository URI --tag v1

    It listens on 127.0.0.1 only. A job is a process of this machine: it runs the image's entrypoint and the job's
    command, with the variables of the real service, in a temporary folder. With --executor container it is a container
    of the image that was pushed. All state is in memory: when the local cloud stops, it is lost and jobs are killed.
    """


@cli.command()
@click.option("--port", default=0, help="Port to listen on; 0 for any free one.", show_default=True)
@click.option("--ready-file", type=click.Path(path_type=Path), help="File to write the URL to once it listens.")
@click.option(
    "--state-dir", type=click.Path(path_type=Path), help="Folder for the files of jobs; default: a temporary one."
)
@click.option("--executor", type=click.Choice(["process", "container", "null"]), default="process",
              show_default=True, help="container runs jobs in podman containers, as root; null marks jobs SUCCEEDED "
              "without executing anything.")  # fmt: skip
@click.option("--host-slots", type=click.IntRange(1), default=Settings.host_slots,
              help="Single-container jobs that run at once; others wait. Default: twice the CPUs.")  # fmt: skip
@click.option("--list-lag-s", type=click.FloatRange(0), default=0.0, help="ListJobs omits jobs younger than this.")
@click.option("--time-scale", type=click.FloatRange(0, min_open=True), default=1.0,
              help="For tests: factor for job timeouts and stop timeouts.")  # fmt: skip
@click.option("--log", "log_file", type=click.Path(path_type=Path),
              help="Append a JSON line for each Batch call and each S3 write.")  # fmt: skip
def serve(
    port: int, ready_file: Path | None, state_dir: Path | None, executor: ExecutorName, host_slots: int,
    list_lag_s: float, time_scale: float, log_file: Path | None,
) -> None:  # fmt: skip
    """Run the local cloud until it is interrupted."""
    from localcloud.runtimes.podman import missing
    from localcloud.server import open_port
    from localcloud.server import serve as run

    try:
        listener = open_port(port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {HOST}:{port}: {error.strerror}. Choose another --port, or 0."
        ) from None
    if executor == "container" and (lack := missing()):
        raise click.ClickException(lack)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    click.echo(f"local cloud at {url}", err=True)
    with nullcontext(state_dir) if state_dir else tempfile.TemporaryDirectory(prefix="localcloud-") as folder:
        settings = Settings(
            url=url, state_dir=Path(folder).absolute(), executor=executor,
            host_slots=host_slots, list_lag_s=list_lag_s, time_scale=time_scale,
        )  # fmt: skip
        run(listener, settings, ready_file, log_file)


@cli.command("push-image")
@click.option("--repository", required=True, help="URI of the ECR repository, as in the stack's output.")
@click.option("--tag", required=True)
@click.option(
    "--entrypoint", default="hpc-node", show_default=True, help="Entrypoint of the image, as typed in a shell."
)
@click.option("--architecture", type=click.Choice(["amd64", "arm64"]), default="amd64", show_default=True,
              help="Architecture that the image claims; jobs are processes of this machine regardless.")  # fmt: skip
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Environment variable of the image; repeatable.")
@click.option("--endpoint-url", default=lambda: os.environ.get("AWS_ENDPOINT_URL"), help="Default: $AWS_ENDPOINT_URL.")
def push_image(
    repository: str, tag: str, entrypoint: str, architecture: str, env: tuple[str, ...], endpoint_url: str | None
) -> None:
    """Push an image without files to the emulated ECR and print its digest.

    Jobs run the programs of this machine: the image only sets the entrypoint.
    """
    from localcloud.services.ecr import ImageError, push

    if not endpoint_url:
        raise click.UsageError("no local cloud given: use --endpoint-url or set AWS_ENDPOINT_URL to its URL.")
    try:
        click.echo(push(endpoint_url, repository, tag, shlex.split(entrypoint), env, architecture))
    except ImageError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    cli(prog_name="python -m localcloud")
