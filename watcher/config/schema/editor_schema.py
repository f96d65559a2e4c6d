"""The JSON Schema of `config.yaml`, for editors: they complete and check by it while the file is written."""

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
    "description": "The config file of watcher, or one of a folder of them; docs/configuration.md says more.",
}


def editor_schema() -> dict[str, Any]:
    """Return the schema, as values of JSON."""
    made = TypeAdapter(ConfigFile).json_schema(schema_generator=_Generator)
    del made["required"]
    return {
        **_HEAD,
        # In a folder, the defaults and the rest may have files of their own.
        "anyOf": [{"required": [key]} for key in made["properties"]],
        **made,
        "patternProperties": {f"^{EXTENSION}": {"description": "for anchors, as in `x-shop: &shop {group: shop}`"}},
    }


def editor_schema_text() -> str:
    """Return the schema as it stands in `config/schema.json`."""
    return json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Describes what users write: a variable for any value that is no text, and no null where it is a mistake."""

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
        # What there is to say of a mapping is said at the key that holds it.
        return {name: value for name, value in made.items() if name not in {"title", "description"}}

    def sort(self, value: Any, parent_key: str | None = None) -> Any:  # noqa: ARG002  # as in pydantic
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # as in pydantic
        return False


def _or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, VARIABLE]}
