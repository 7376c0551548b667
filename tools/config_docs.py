"""Generator of the JSON Schema and the documentation page of the configuration models.

python -m tools.config_docs            # writes environments/schema.json and docs/configuration.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hpc_constructs.config.error_messages import MAPS, SECTIONS
from hpc_constructs.config.field_types import NAMES
from hpc_constructs.config.load import DEFAULTS
from hpc_constructs.config.models import Environment, inner_model

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "environments" / "schema.json"
PAGE = ROOT / "docs" / "configuration.md"
Json = dict[str, Any]

TOP = """\
# Configuration

Generated from the models by `make docs`; edit the models.

An environment is one file, `environments/<name>.yaml`. Every key has a default, so that an empty file is a whole
platform. `cdk synth -c env=<name>` reads the file and reports all its problems at once, with line, allowed values and
fix. The first line of each file names `schema.json`, with which editors complete and check keys.

`compute_environments`, `queues` and `definitions` are merged into the [default entries](#default-entries), key by key;
`<name>: null` leaves a default entry out. The name of an entry is {names}.
"""
BOTTOM = """\
## Default entries

```yaml
{defaults}```
"""


def schema() -> Json:
    """Return the JSON Schema of an environment's file."""
    result = Environment.model_json_schema()
    del result["required"], result["properties"]["name"]
    properties, models = result["properties"], result["$defs"]
    for key in SECTIONS:
        # A heading without content is ignored.
        properties[key].pop("default", None)
        if "$ref" in properties[key]:
            properties[key] = {"anyOf": [{"$ref": properties[key]["$ref"]}, {"type": "null"}]}
    for key in MAPS:
        entries = properties[key]
        entries.pop("minProperties", None)
        entries["patternProperties"] = {
            pattern: {"anyOf": [values, {"type": "null"}]} for pattern, values in entries["patternProperties"].items()
        }
        entries["additionalProperties"] = False
    for model in models.values():
        # Required values are in the default entry, if there is one.
        model.pop("required", None)
    # A number in YAML, text everywhere else.
    properties["account"]["anyOf"].insert(0, {"type": "integer"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An environment of hpc-batch",
        **_untitled(result),
    }


def _untitled(value: Any) -> Any:
    """Remove the titles, which repeat the keys."""
    if isinstance(value, dict):
        return {key: _untitled(item) for key, item in value.items() if not (key == "title" and isinstance(item, str))}
    return [_untitled(item) for item in value] if isinstance(value, list) else value


def page() -> str:
    """Return docs/configuration.md."""
    sections = [TOP.format(names=NAMES), *_table(Environment, "## Top level")]
    for key, model in (*SECTIONS.items(), *MAPS.items()):
        heading = f"## {key}" if key in SECTIONS else f"## {key}.&lt;name&gt;"
        sections += _table(model, heading)
        for name, field in model.model_fields.items():
            inner = inner_model(field)
            if inner:
                sections += _table(inner, f"### {key}.&lt;name&gt;.{name}")
    return "\n".join([*sections, BOTTOM.format(defaults=DEFAULTS.read_text(encoding="utf-8"))])


def _table(model: type[BaseModel], heading: str) -> Iterator[str]:
    yield heading + "\n"
    if model is not Environment:
        yield _text(model.__doc__) + "\n"
    yield "| key | value | default | meaning |\n|---|---|---|---|"
    properties = Environment.model_json_schema()["$defs"].get(model.__name__, {}).get("properties", {})
    for name, field in model.model_fields.items():
        if model is Environment and name in {"name", *SECTIONS, *MAPS}:
            continue
        properties = properties or Environment.model_json_schema()["properties"]
        meaning = _text(field.description)
        yield f"| `{name}` | {allowed(properties[name])} | {default(field)} | {meaning} |"
    yield ""


def default(field: FieldInfo) -> str:
    """Format the default; if it cannot be written as a value, the description has it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "as below"
    if value is None:
        return "see meaning"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if not isinstance(value, str | int | float):
        return "`{}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def allowed(item: Json) -> str:
    """Describe the allowed values."""
    if "anyOf" in item:
        options = [option for option in item["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(map(allowed, options)))
    match item:
        case {"$ref": _}:
            text = "mapping, below"
        case {"enum": values}:
            text = ", ".join(f"`{value}`" for value in values)
        case {"type": "array"}:
            text = f"list: {allowed(item['items'])}"
        case {"type": "object"}:
            values = item.get("additionalProperties") or next(iter(item["patternProperties"].values()))
            text = f"mapping of names: {allowed(values)}"
        case {"type": "boolean"}:
            text = "`true`, `false`"
        case {"type": "integer" | "number"}:
            text = _range(item)
        case _:
            words = item.get("patternErrorMessage", "text")
            text = "a name" if words == NAMES else words
    return text


def _range(item: Json) -> str:
    low, high = item.get("minimum"), item.get("maximum")
    return "number" if low is None else f"{low:,} to {high:,}" if high is not None else f"from {low:,}"


def _text(description: str | None) -> str:
    return re.sub(r"\s+", " ", description or "").replace("|", "\\|").strip()


def written() -> dict[Path, str]:
    """Return the generated files and their content."""
    return {SCHEMA: json.dumps(schema(), indent=2) + "\n", PAGE: page()}


def main() -> None:
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
