"""Translation of pydantic's errors into problems in the user's terms."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hpc_constructs.config.models import Environment, inner_model
from hpc_constructs.config.problems import Path, Problem, show
from hpc_constructs.config.resources import ComputeEnvironment, Definition, Project, Queue
from hpc_constructs.config.settings import Data, FileSystem, Image, Logs, Network, Operations

SECTIONS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "network": Network,
        "image": Image,
        "logs": Logs,
        "data": Data,
        "file_system": FileSystem,
        "operations": Operations,
    }
)
MAPS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "projects": Project,
        "compute_environments": ComputeEnvironment,
        "queues": Queue,
        "definitions": Definition,
    }
)
_WORDS = MappingProxyType(
    {
        "int_type": "a whole number",
        "float_type": "a number",
        "string_type": "text",
        "bool_type": "true or false",
        "model_type": "a mapping",
        "model_attributes_type": "a mapping",
        "mapping_type": "a mapping of names to settings",
        "dict_type": "a mapping of names to settings",
        "tuple_type": "a list",
        "date": "a date such as 2026-11-22",
        "reserved_tag": "keys other than Name, aws:... and hpc:..., which AWS and the platform set",
        "distinct": "each entry once",
        "vpc_cidr": "a private IPv4 block of /16 to /20, such as 10.0.0.0/16",
        "greater_than_equal": "at least {ge}",
        "less_than_equal": "at most {le}",
        "too_short": "at least {min_length} of them",
        "too_long": "at most {max_length} of them",
        "literal_error": "{expected}",
    }
)


def problem(error: ErrorDetails) -> Problem:
    """Translate one of pydantic's errors."""
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    context: Mapping[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown_key(path)
        case "missing":
            return Problem(path=path, given="nothing", allowed="a value", fix=f"add `{path[-1]}:`")
        case "unknown_instance_type":
            hint = "; Batch launches no burstable types" if context["burstable"] else ""
            return Problem(
                path=path,
                given=show(error["input"]),
                allowed=context["allowed"] + hint,
                fix="choose one of these",
                rule="HPC213",
            )
        case kind:
            allowed = _WORDS[kind].format(**context) if kind in _WORDS else error["msg"]
    return Problem(path=path, given=show(error["input"]), allowed=allowed, fix=_fix(path))


def _unknown_key(path: Path) -> Problem:
    known = known_keys(path[:-1])
    key = str(path[-1])
    nearest = difflib.get_close_matches(key, known, n=1)
    return Problem(
        path=path,
        given=f"unknown key '{key}'",
        allowed=", ".join(known),
        fix=f"write '{nearest[0]}'" if nearest else "remove it",
    )


def model_at(path: Path) -> type[BaseModel] | None:
    """Return the model that the mapping at the path is read into."""
    match path:
        case ():
            return Environment
        case (str(section),):
            return SECTIONS.get(section)
        case (str(section), _):
            return MAPS.get(section)
        case (str(section), _, str(key)) if section in MAPS and key in MAPS[section].model_fields:
            return inner_model(MAPS[section].model_fields[key])
        case _:
            return None


def known_keys(path: Path) -> Sequence[str]:
    """Return the keys that the mapping at the path may hold."""
    model = model_at(path)
    return [key for key in model.model_fields if key != "name"] if model else []


def _fix(path: Path) -> str:
    """Return the fix for a key, with its default if it has one."""
    for end in range(len(path), 0, -1):
        model, key = model_at(path[: end - 1]), path[end - 1]
        if model is None or key not in model.model_fields:
            continue
        field = model.model_fields[str(key)]
        simple = isinstance(field.default, str | int)
        if simple:
            return f"change it, or remove it for the default, {show(field.default)}"
        return "change it" if field.is_required() else "change it, or remove it for the default"
    return "change it"
