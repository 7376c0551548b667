"""The page and the JSON Schema that follow from the configuration models."""

from pathlib import Path
from typing import Any

import pytest
from cfnlint.jsonschema import StandardValidator
from pydantic import BaseModel

from hpc_constructs.config import available, yaml_source
from hpc_constructs.config.error_messages import MAPS, SECTIONS
from hpc_constructs.config.models import Environment, inner_model
from tools import config_docs

ENVIRONMENTS = config_docs.ROOT / "environments"


def models() -> list[type[BaseModel]]:
    outer = [Environment, *SECTIONS.values(), *MAPS.values()]
    inner = [inner_model(field) for model in outer[1:] for field in model.model_fields.values()]
    return [*outer, *(model for model in inner if model)]


def accepts(text: str) -> bool:
    return not list(StandardValidator(config_docs.schema()).iter_errors(yaml_source.read(text).data))


@pytest.mark.parametrize("path", config_docs.written(), ids=lambda path: path.name)
def test_what_is_checked_in_is_what_the_models_say(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == config_docs.written()[path], "run: make docs"


@pytest.mark.parametrize("name", available(ENVIRONMENTS))
def test_every_environment_names_the_schema_and_fits_it(name: str) -> None:
    text = (ENVIRONMENTS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "remval: destroy",
        "removal: never",
        "network: {zones: 9}",
        "compute_environments: {spot: {max_vcpu: 3}}",
        "compute_environments: {Spot: {max_vcpus: 3}}",
        "queues: {q: {compute_environments: []}}",
        "definitions: {task: {timeout_s: 1}}",
        "name: x",
    ],
)
def test_the_schema_refuses_what_is_wrong(text: str) -> None:
    assert not accepts(text)


@pytest.mark.parametrize(
    "text",
    ["", "network:", "definitions: {mpi: null}", "projects: {a: }", "account: 123456789012", "queues: {on-demand: {}}"],
)
def test_the_schema_accepts_every_way_of_saying_nothing(text: str) -> None:
    assert accepts(text)


def test_every_key_has_a_meaning_and_a_default() -> None:
    for model in models():
        for name, field in model.model_fields.items():
            if model is Environment and name in {"name", *SECTIONS}:
                continue
            where = f"{model.__name__}.{name}"
            assert field.description, where
            value: Any = None if field.is_required() else field.get_default(call_default_factory=True)
            assert value is not None or field.is_required() or "Default:" in field.description, where
