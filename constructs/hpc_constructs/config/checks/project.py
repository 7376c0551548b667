"""Checks that the settings of projects are consistent.

Every check takes the whole environment and yields problems.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.checks.rule import check
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem, names


@check("HPC226")
def of_developers(environment: Environment) -> Iterator[Problem]:
    """Image sources and secrets are given only for projects with developers."""
    for name, project in environment.projects.items():
        for key in ("image_sources", "secrets"):
            if getattr(project, key) and not project.own_images:
                yield Problem(
                    path=("projects", name, key),
                    given=f"{key} without own_images",
                    allowed=f"{key} with own_images: true",
                    fix=f"add `own_images: true`, or remove {key}",
                )


@check("HPC227")
def workflow_queues(environment: Environment) -> Iterator[Problem]:
    """A workflow has a queue of each kind."""
    for name, project in environment.projects.items():
        if project.workflow is None:
            continue
        wanted = {
            "queue": ("single", project.workflow.queue),
            "multi_node_queue": ("multi-node", project.workflow.multi_node_queue),
        }
        for key, (kind, queue) in wanted.items():
            fitting = [item for item, settings in environment.queues.items() if settings.kind == kind]
            if (queue is None and not fitting) or (queue is not None and queue not in fitting):
                yield Problem(
                    path=("projects", name, "workflow"),
                    given=f"{key}: {queue}" if queue else f"no {key}",
                    allowed=f"a {kind} queue: {names(fitting) or 'there is none yet'}",
                    fix=f"name one of these as {key}, add one under queues, or remove workflow",
                )


CHECKS = (of_developers, workflow_queues)
