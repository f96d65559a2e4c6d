"""The documentation of a key of `config.yaml`, attached to its type; it does not slow validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Required, get_args, get_origin, get_type_hints

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

# The groups of keys in `docs/configuration.md`.
STATE, SENT, CONNECTED, EXPECTED, TOLD = "state", "sent", "connected", "expected", "told"


@dataclass(frozen=True, slots=True)
class Key:
    """The documentation of a key.

    Attributes:
        meaning: for users, in Markdown; used in `docs/configuration.md` and in the editors' schema.
        heading: the group of the key; empty for the basic keys of an entry.
        default: the default value; None if there is not one.
        default_text: the default in words, if the value alone does not say it.
        example: a value as users would write it, in YAML.
        reason: the failure reason of a check that does not meet it.
        secret: whether its value is never shown; of a mapping with keys of its own, text in place of the mapping.
        bounds: keywords of JSON Schema that narrow its type.
    """

    meaning: str
    heading: str = ""
    default: Any = None
    default_text: str | None = None
    example: str | None = None
    reason: str | None = None
    secret: bool = False
    bounds: Mapping[str, Any] = field(default_factory=dict)

    def description(self) -> str:
        """Return the documentation in sentences, with `default_text` if there is one."""
        first = self.meaning[:1] if self.meaning.startswith(("true:", "false:")) else self.meaning[:1].upper()
        sentences = [f"{first}{self.meaning[1:]}."]
        if self.reason is not None:
            sentences.append(f"Else the check fails with the reason `{self.reason}`.")
        if self.default_text is not None:
            sentences.append(f"Default: {self.default_text}.")
        return " ".join(sentences)

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the key for editors; pydantic calls this."""
        schema: dict[str, Any] = {"description": self.description(), **handler(core_schema), **self.bounds}
        if self.default is not None:
            schema["default"] = self.default
        if self.example is not None:
            schema["examples"] = [yaml.safe_load(self.example)]
        return schema


def keys_of(shape: type) -> dict[str, Key]:
    """Return the keys of a mapping type, in their order of definition."""
    return {name: next(_said_in(hint)) for name, hint in get_type_hints(shape, include_extras=True).items()}


def mandatory_keys(shape: type) -> frozenset[str]:
    """Return the mandatory keys of a mapping type."""
    hints = get_type_hints(shape, include_extras=True)
    return frozenset(name for name, hint in hints.items() if get_origin(hint) is Required)


def _said_in(hint: Any) -> Iterator[Key]:
    for part in (*getattr(hint, "__metadata__", ()), *get_args(hint)):
        if isinstance(part, Key):
            yield part
        elif not isinstance(part, str):
            yield from _said_in(part)
