"""`hpc queues`."""

from __future__ import annotations

import json

import click

from hpc.cli.app import hint, pass_cluster, table
from hpc.cluster import Cluster
from hpc.contract import objects
from hpc.units import show_mib


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_cluster
def queues(cluster: Cluster, as_json: bool) -> None:
    """List the queues and the largest job that each can run."""
    cluster.refresh()
    found = cluster.environment.queues.values()
    if as_json:
        click.echo(json.dumps([objects.to_json(queue) for queue in found], indent=1))
        return
    header = ["QUEUE", "JOBS", "PURCHASING", "VCPUS", "LARGEST JOB", "EFA", "DEFINITION"]
    click.echo(table(header, [_row(queue) for queue in found]))
    hint(*(f"hpc submit --queue {queue.name} {_options(queue)}-- COMMAND" for queue in found))


def _row(queue: objects.Queue) -> list[str]:
    largest = max(queue.shapes, key=lambda shape: (shape.vcpus, shape.memory_mib))
    size = f"{largest.vcpus} vCPUs, {show_mib(largest.memory_mib)}"
    if queue.kind == "multi-node":
        size = f"{queue.max_nodes} nodes of {size}"
    return [
        queue.name,
        queue.kind,
        "Spot" if queue.spot else "On-Demand",
        str(queue.max_vcpus),
        size,
        str(queue.efa_interfaces or "-"),
        queue.definition,
    ]


def _options(queue: objects.Queue) -> str:
    return "--nodes N " if queue.kind == "multi-node" else ""
