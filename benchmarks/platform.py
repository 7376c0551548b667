"""The environment that benchmarks measure against: `dev`, deployed to a local cloud by the real CDK CLI."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from examples.deployment import Deployment
from localcloud.session import LocalCloud


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
        deployment.deploy_compute(deployment.push_image())
        yield deployment
