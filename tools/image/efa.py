"""AWS's EFA installer, pinned (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html)."""

from __future__ import annotations

import hashlib
import shutil
import urllib.request
from pathlib import Path

import click

VERSION = "1.50.0"
SHA256 = "fa6dff8593d866866c13cb4640d9059835cd4efa427971f100ab40c97bef2841"
TIMEOUT_S = 60
"""Timeout of each read."""
URL = f"https://efa-installer.amazonaws.com/aws-efa-installer-{VERSION}.tar.gz"


def installer(cache: Path) -> Path:
    """Return the archive, 700 MB, downloaded once.

    Raises:
        click.ClickException: it cannot be downloaded, or its digest is not the pinned one.
    """
    archive = cache / URL.rpartition("/")[2]
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = archive.with_suffix(".unfinished")
        click.echo(f"downloading {URL}", err=True)
        try:
            with urllib.request.urlopen(URL, timeout=TIMEOUT_S) as answer, unfinished.open("wb") as file:
                shutil.copyfileobj(answer, file)
        except OSError as error:
            raise click.ClickException(f"{URL}: {error}. If you have it from elsewhere, put it at {archive}") from None
        unfinished.rename(archive)
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise click.ClickException(f"{archive} has SHA-256 {found}, {SHA256} is pinned: delete it and try again")
    return archive
