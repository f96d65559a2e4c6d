"""Generates the JSON Schema of `config.yaml`, which editors use to complete and check the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from watcher.config.schema.config_file import EXTENSION, ConfigFile
from watcher.config.schema.value_types import VARIABLE

if TYPE_CHECKING:
    from pydantic_core import core_schema

_HEAD = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:watcher:config",
    "$comment": "Made by `python -m docs.generate` from the types in watcher/config/schema: change those.",
    "title": "What to watch",
    "description": "The config file of watcher, or one file of a config folder; see docs/configuration.md.",
}


def editor_schema() -> dict[str, Any]:
    """Return the schema as JSON values."""
    made = TypeAdapter(ConfigFile).json_schema(schema_generator=_Generator)
    del made["required"]
    return {
        **_HEAD,
        # In a folder, each section may have its own file.
        "anyOf": [{"required": [key]} for key in made["properties"]],
        **made,
        "patternProperties": {f"^{EXTENSION}": {"description": "for anchors, as in `x-shop: &shop {group: shop}`"}},
    }


def editor_schema_text() -> str:
    """Return the text of `config/schema.json`."""
    return json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Allows `${VARIABLE}` in place of any value that is not text, and disallows null."""

    def int_schema(self, schema: core_schema.IntSchema) -> dict[str, Any]:
        return _or_variable(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> dict[str, Any]:
        return _or_variable(super().float_schema(schema))

    def bool_schema(self, schema: core_schema.BoolSchema) -> dict[str, Any]:
        return _or_variable(super().bool_schema(schema))

    def literal_schema(self, schema: core_schema.LiteralSchema) -> dict[str, Any]:
        return _or_variable(super().literal_schema(schema))

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> dict[str, Any]:
        made = super().typed_dict_schema(schema)
        # The description of a mapping is at the key that holds it.
        return {name: value for name, value in made.items() if name not in {"title", "description"}}

    def sort(self, value: Any, parent_key: str | None = None) -> Any:  # noqa: ARG002  # as in pydantic
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # as in pydantic
        return False


def _or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, VARIABLE]}
