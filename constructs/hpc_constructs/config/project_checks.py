"""Whether what projects may do fits together.

Every check takes the whole environment and yields what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem


def secrets(environment: Environment) -> Iterator[Problem]:
    """Only those who register job definitions of their own choose what secrets their containers get."""
    for name, project in environment.projects.items():
        if project.secrets and not project.own_images:
            yield Problem(
                path=("projects", name, "secrets"),
                given="secrets without own_images",
                allowed="secrets with own_images: true",
                fix="add `own_images: true`, or move them into the definitions that the platform deploys",
            )


def image_sources(environment: Environment) -> Iterator[Problem]:
    """Only those who register job definitions of their own choose where images come from."""
    for name, project in environment.projects.items():
        if project.image_sources and not project.own_images:
            yield Problem(
                path=("projects", name, "image_sources"),
                given="image_sources without own_images",
                allowed="image_sources with own_images: true",
                fix="add `own_images: true`, or remove image_sources",
            )


CHECKS = (image_sources, secrets)
