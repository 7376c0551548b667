"""The environment that benchmarks measure against: `dev`, deployed to a local cloud by the real CDK CLI."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from examples.deployment import Deployment
from localcloud.session import LocalCloud
from stacks.names import stack_name


@contextmanager
def deployed(*options: str) -> Generator[Deployment]:
    """Yield a deployment that jobs can be submitted to; `options` go to `localcloud serve`.

    Without the operations stack: here the delivery of its events would take the time of the server that is asked.
    """
    with tempfile.TemporaryDirectory(prefix="hpc-benchmark-") as name, LocalCloud(Path(name), *options) as cloud:
        deployment = Deployment(cloud, "dev", Path(name))
        click.echo("deploying dev to a local cloud", err=True)
        deployment.bootstrap()
        deployment.deploy_foundation()
        image = f"image_digest={deployment.push_image()}"
        deployment.cdk("deploy", stack_name("dev", "Compute"), "--require-approval", "never", "--context", image)
        yield deployment
