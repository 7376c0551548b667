"""`hpc definitions`."""

from __future__ import annotations

import json

import click

from hpc.cli.app import pass_cluster, table
from hpc.cluster import Cluster
from hpc.contract import objects
from hpc.submit.job_definitions import ListedDefinition
from hpc.units import show_mib


@click.command()
@click.option("--project", metavar="P", help="Only of this project. Default: all projects.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_cluster
def definitions(cluster: Cluster, project: str | None, as_json: bool) -> None:
    """List the job definitions that --definition accepts.

    These are the deployed ones, and those that --image and --secret have registered.
    """
    cluster.refresh()
    found = [item for item in cluster.definitions() if project in (None, item.definition.project)]
    if as_json:
        items = [
            objects.to_json(item.definition) | {"image": item.image, "user": item.user, "own": item.own}
            for item in found
        ]
        click.echo(json.dumps(items, indent=1))
        return
    header = ["DEFINITION", "PROJECT", "JOBS", "VCPUS", "MEMORY", "USER", "IMAGE"]
    click.echo(table(header, [_row(item) for item in found]))


def _row(item: ListedDefinition) -> list[str]:
    definition = item.definition
    size = [str(definition.vcpus), show_mib(definition.memory_mib)]
    return [definition.name, definition.project, definition.kind, *size, item.user or "the image's", item.image]
