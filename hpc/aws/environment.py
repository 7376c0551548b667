"""What the account has: an environment as its stacks published it, read in one or two calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hpc.aws import environment_cache
from hpc.contract import objects, version
from hpc.errors import BadInput, HpcError, NotFound

if TYPE_CHECKING:
    from types_boto3_ssm.client import SSMClient


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The published objects of one environment."""

    meta: objects.Meta
    queues: dict[str, objects.Queue] = field(default_factory=dict[str, objects.Queue])
    projects: dict[str, objects.Project] = field(default_factory=dict[str, objects.Project])
    definitions: dict[tuple[str, str], objects.Definition] = field(
        default_factory=dict[tuple[str, str], objects.Definition]
    )
    """By project and name."""
    remembered: bool = False
    """Whether this machine had it: it is up to a minute old then."""

    @property
    def name(self) -> str:
        return self.meta.environment

    def definitions_of(self, project: str) -> dict[str, objects.Definition]:
        return {name: item for (owner, name), item in self.definitions.items() if owner == project}


def read(ssm: Callable[[], SSMClient], name: str | None, kept: environment_cache.EnvironmentCache) -> Environment:
    """Read an environment, or the only one of the account and Region if none is named.

    Args:
        ssm: makes the client, if one is needed.
        kept: where what is read is kept for a minute.

    Raises:
        NotFound: there is no such environment, or several and none was named.
        HpcError: the environment is newer than this client.
    """
    remembered = kept.load()
    if remembered:
        return replace(_parse(*remembered), remembered=True)
    read = _choose(ssm(), name)
    kept.save(*read)
    return _parse(*read)


def _choose(ssm: SSMClient, name: str | None) -> tuple[str, dict[str, str]]:
    found = _published(ssm, f"{objects.SSM_ROOT}/{name}" if name else objects.SSM_ROOT)
    if name and name not in found:
        names = sorted(_published(ssm, objects.SSM_ROOT))
        have = ", ".join(names) or "none is deployed here"
        raise NotFound(f"environment {name!r} is not deployed in this account and Region; found: {have}")
    if not found:
        raise NotFound(
            "no hpc-batch environment is deployed in this account and Region; check --profile and --region,"
            " or deploy one with `cdk deploy --all -c env=NAME`"
        )
    if len(found) > 1:
        raise BadInput(f"several environments here, choose one with --env or $HPC_ENV: {', '.join(sorted(found))}")
    return found.popitem()


def _published(ssm: SSMClient, path: str) -> dict[str, dict[str, str]]:
    """Return parameter values by environment and by the rest of the parameter's name."""
    found = dict[str, dict[str, str]]()
    for page in ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True):
        for parameter in page["Parameters"]:
            name, value = parameter.get("Name", ""), parameter.get("Value", "")
            environment, _, rest = name.removeprefix(objects.SSM_ROOT + "/").partition("/")
            found.setdefault(environment, {})[rest] = value
    return {name: items for name, items in found.items() if "meta" in items}


def _parse(name: str, items: dict[str, str]) -> Environment:
    meta = objects.from_json(objects.Meta, items["meta"])
    if version.major(meta.version) > version.major(version.VERSION):
        raise HpcError(
            f"environment {name} speaks contract {meta.version}, this hpc speaks {version.VERSION};"
            " install the newer one, from the repository that the environment was deployed from"
        )
    queues = dict[str, objects.Queue]()
    projects = dict[str, objects.Project]()
    definitions = dict[tuple[str, str], objects.Definition]()
    for path, text in items.items():
        kind, _, key = path.partition("/")
        if kind == "queues":
            queues[key] = objects.from_json(objects.Queue, text)
        elif kind == "projects":
            projects[key] = objects.from_json(objects.Project, text)
        elif kind == "definitions":
            definition = objects.from_json(objects.Definition, text)
            definitions[definition.project, definition.name] = definition
    return Environment(meta=meta, queues=queues, projects=projects, definitions=definitions)
