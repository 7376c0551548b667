"""Whether what projects may do fits together.

Every check takes the whole environment and yields what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.check import check
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Problem


@check("HPC226")
def of_developers(environment: Environment) -> Iterator[Problem]:
    """Only those who register job definitions of their own choose images and secrets for them."""
    for name, project in environment.projects.items():
        for key in ("image_sources", "secrets"):
            if getattr(project, key) and not project.own_images:
                yield Problem(
                    path=("projects", name, key),
                    given=f"{key} without own_images",
                    allowed=f"{key} with own_images: true",
                    fix=f"add `own_images: true`, or remove {key}",
                )


CHECKS = (of_developers,)
