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
    """Yield a deployment that accepts jobs; `options` are passed to `localcloud serve`.

    The operations stack is left out: the delivery of its events would slow down the server that is measured.
    """
    with tempfile.TemporaryDirectory(prefix="hpc-benchmark-") as name, LocalCloud(Path(name), *options) as cloud:
        deployment = Deployment(cloud, "dev", Path(name))
        click.echo("deploying dev to a local cloud", err=True)
        deployment.bootstrap()
        deployment.deploy_foundation()
        deployment.deploy_compute(deployment.push_image())
        yield deployment
