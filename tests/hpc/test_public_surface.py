"""The names of `import hpc`: closed under the annotations of their public methods, and loaded on first use."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, get_args, get_type_hints

import pytest

import hpc

EXPORTED = {name: getattr(hpc, name) for name in hpc.__all__}
HEAVY = "boto3 botocore click dataclasses hpc.cluster importlib.metadata json"


def _public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, item in EXPORTED.items():
        if inspect.isfunction(item):
            yield name, item
        elif inspect.isclass(item):
            for attribute, method in inspect.getmembers(item, inspect.isroutine):
                if not attribute.startswith("_") and (getattr(method, "__module__", None) or "").startswith("hpc"):
                    yield f"{name}.{attribute}", method


def _names_for_type_checkers(module: str) -> dict[str, object]:
    """Return what a module imports from `hpc` for type checkers alone, without which its annotations do not resolve."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    blocks = [node.body for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {
        alias.name: getattr(importlib.import_module(node.module), alias.name)
        for block in blocks
        for node in block
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hpc.")
        for alias in node.names
    }


def _types(annotation: object) -> Iterator[type]:
    """Yield the classes in an annotation, at any depth."""
    if isinstance(annotation, list):  # parameters of a Callable
        for item in annotation:  # pyright: ignore[reportUnknownVariableType]
            yield from _types(item)  # pyright: ignore[reportUnknownArgumentType]
    elif inspect.isclass(annotation):
        yield annotation
    for item in get_args(annotation):
        yield from _types(item)


FUNCTIONS = dict(_public_functions())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_type_of_a_public_method_is_exported(name: str) -> None:
    hints = get_type_hints(FUNCTIONS[name], localns=_names_for_type_checkers(FUNCTIONS[name].__module__))
    assert "return" in hints
    own = [item for hint in hints.values() for item in _types(hint) if item.__module__.startswith("hpc.")]
    assert [item.__name__ for item in own if EXPORTED.get(item.__name__) is not item] == []


def test_the_walk_covers_the_library() -> None:
    assert FUNCTIONS.keys() >= {"connect", "Cluster.submit", "Run.wait", "Run.failed_rows", "TasksFile.scan"}


def test_dir_lists_what_is_exported() -> None:
    assert dir(hpc) == sorted(hpc.__all__)


def test_the_version_is_that_of_the_distribution() -> None:
    assert hpc.__version__ == version("hpc-batch")


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'hpc' has no attribute 'nothing'"):
        hpc.nothing  # noqa: B018 # pyright: ignore


def test_the_import_loads_nothing_heavy() -> None:
    code = f"import sys, hpc; print(*set(sys.modules) & set({HEAVY.split()}))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""
