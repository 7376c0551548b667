"""Loading of `environments/<name>.yaml` into a frozen `Environment`, or into a list of all problems of the file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hpc_constructs.config import yaml_source
from hpc_constructs.config.checks import capacity, compute, definition, egress, network, project
from hpc_constructs.config.checks import queue as queue_checks
from hpc_constructs.config.error_messages import problem
from hpc_constructs.config.models import SECTIONS_WITH_DEFAULTS, Environment
from hpc_constructs.config.problems import ConfigError, Located, Path, Problem, show

DEFAULTS = FilePath(__file__).with_name("defaults.yaml")


def available(folder: FilePath) -> list[str]:
    """Return the names of the environments in the folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(folder: FilePath, name: object, image_digest: object = None) -> Environment:
    """Read an environment.

    Args:
        folder: holds a YAML file for each environment.
        name: of the file, without `.yaml`; anything else, such as None, is reported as the user's error.
        image_digest: of the container image; takes precedence over the file's.

    Raises:
        ConfigError: with all problems.
    """
    names = available(folder)
    if not isinstance(name, str) or name not in names:
        raise ConfigError([_no_such_environment(name, names)])
    file = f"{folder.name}/{name}.yaml"
    try:
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        bad = Problem(path=(), given=f"byte {error.start}, not UTF-8", allowed="UTF-8 text", fix="save it as UTF-8")
        raise ConfigError([Located(file, 1, bad)]) from None
    return parse(text, file=file, name=name, image_digest=image_digest)


def _no_such_environment(name: object, names: list[str]) -> Located:
    nearest = difflib.get_close_matches(name, names, n=1) if isinstance(name, str) else []
    example = next(iter([*nearest, *names]), "dev")
    return Located(
        "-c env",
        0,
        Problem(
            path=(),
            given=show(name),
            allowed=", ".join(names) or "no environment exists yet",
            fix=f"write -c env={example}",
        ),
    )


def parse(text: str, *, file: str, name: str, image_digest: object = None) -> Environment:
    """Read an environment from the text of its file.

    Raises:
        ConfigError: with all problems.
    """
    content = yaml_source.read(text)
    data = {**_with_defaults(content.data), "name": name}
    environment, problems = _validate(data)
    if "name" in content.data:
        refused = Problem(path=("name",), given=show(content.data["name"]), allowed="no name", fix="remove it")
        problems.append(refused)
    found = [Located(file, content.line(item.path), item) for item in (*content.problems, *problems)]
    if image_digest is not None:
        found += _digest_problems(image_digest)
    if found or environment is None:
        raise ConfigError(sorted(found, key=lambda item: item.line))
    if image_digest is None:
        return environment
    image = environment.image.model_copy(update={"digest": image_digest})
    return environment.model_copy(update={"image": image})


def _digest_problems(digest: object) -> list[Located]:
    if isinstance(digest, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        return []
    wrong = Problem(
        path=(),
        given=show(digest),
        allowed="sha256: and 64 hexadecimal digits",
        fix="write the digest that pushing the image printed",
    )
    return [Located("-c image_digest", 0, wrong)]


def _with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the file into the defaults, entry by entry; a heading without content is ignored."""
    data = {key: value for key, value in given.items() if value is not None}
    defaults = yaml_source.read(DEFAULTS.read_text(encoding="utf-8")).data
    for section in SECTIONS_WITH_DEFAULTS:
        entries: object = data.get(section, {})
        if isinstance(entries, dict):
            data[section] = _overlay(defaults[section], cast("dict[str, Any]", entries))
    projects: object = data.get("projects")
    if isinstance(projects, dict):
        entries = cast("dict[str, Any]", projects)
        data["projects"] = {key: {} if value is None else value for key, value in entries.items()}
    return data


def _overlay(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    result = {**defaults, **own}
    for name, default in defaults.items():
        if name in own and own[name] is None:
            del result[name]
        elif isinstance(own.get(name), dict):
            result[name] = {**default, **own[name]}
    return result


def _validate(data: dict[str, Any]) -> tuple[Environment | None, list[Problem]]:
    """Check everything that can be checked: invalid values are left out, and the rest is checked as well."""
    problems: list[Problem] = []
    left_out: set[Path] = set()
    environment: Environment | None = None
    while environment is None:
        try:
            environment = Environment.model_validate(data)
        except ValidationError as error:
            details = error.errors(include_url=False)
            if not left_out:
                problems = [problem(item) for item in details if not _consequence(item, details)]
            removed = _leave_out(data, [(item["type"], problem(item).path) for item in details])
            if not removed:
                return None, problems
            left_out |= {path[:2] for path in removed}
    for item in _checks(environment):
        if not {path[:2] for path in (item.path, *item.involves)} & left_out:
            problems.append(item)
    return environment, problems


def _consequence(item: ErrorDetails, all_items: list[ErrorDetails]) -> bool:
    """Return whether a list is too short only because its entries are invalid."""
    depth = len(item["loc"])
    return item["type"] == "too_short" and any(
        len(other["loc"]) > depth and other["loc"][:depth] == item["loc"] for other in all_items
    )


def _leave_out(data: dict[str, Any], wrong: Iterable[tuple[str, Path]]) -> set[Path]:
    """Remove invalid values from the data, last list items first; return the removed paths."""
    removed: set[Path] = set()
    paths = {path[:-1] if kind == "missing" else path for kind, path in wrong}
    for path in sorted(paths, key=lambda path: [str(part).zfill(9) for part in path], reverse=True):
        holder: Any = data
        try:
            for part in path[:-1]:
                holder = holder[part]
            del holder[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue
        removed.add(path)
    return removed


def _checks(environment: Environment) -> Iterable[Problem]:
    modules = (network, project, compute, egress)
    for check in (check for module in modules for check in module.CHECKS):
        yield from check(environment)
    unresolved = list(queue_checks.references(environment))
    # Unused entries follow from the references: with a wrong reference, the intended entry would be reported.
    yield from unresolved or queue_checks.unused(environment)
    broken = {item.path[1] for item in unresolved}
    sound = {name: queue for name, queue in environment.queues.items() if name not in broken}
    resolved = environment.model_copy(update={"queues": sound})
    relations = (*queue_checks.RELATIONS, *capacity.RELATIONS, *definition.CHECKS)
    for check in relations if sound else ():
        yield from check(resolved)
