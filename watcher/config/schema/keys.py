"""What is said to users of a key of `config.yaml`; it stands at the key's type, and costs validation nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Required, get_args, get_origin, get_type_hints

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

# Where in the table of the page a key stands: how its group is called there.
STATE, SENT, CONNECTED, EXPECTED, TOLD = "state", "sent", "connected", "expected", "told"


@dataclass(frozen=True, slots=True)
class Key:
    """What there is to say of a key, besides its type.

    Attributes:
        meaning: for users, in Markdown: the page and the schema for editors have it.
        heading: the group of keys that it belongs to; nothing for what each entry has.
        default: what holds where it is not written; None for nothing.
        default_text: the same, in the words of the page, where the value alone does not say it.
        example: its value as users would write it, in YAML.
        reason: with which a check fails that does not hold to it.
        secret: whether its value may be shown to nobody; of a mapping with keys of its own, text in its place may not.
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
        """Return what there is to say in sentences, with the default where a value alone does not say it."""
        first = self.meaning[:1] if self.meaning.startswith(("true:", "false:")) else self.meaning[:1].upper()
        sentences = [f"{first}{self.meaning[1:]}."]
        if self.reason is not None:
            sentences.append(f"Else the check fails with the reason `{self.reason}`.")
        if self.default_text is not None:
            sentences.append(f"Default: {self.default_text}.")
        return " ".join(sentences)

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the key, for editors; pydantic asks for it."""
        schema: dict[str, Any] = {"description": self.description(), **handler(core_schema), **self.bounds}
        if self.default is not None:
            schema["default"] = self.default
        if self.example is not None:
            schema["examples"] = [yaml.safe_load(self.example)]
        return schema


def keys_of(shape: type) -> dict[str, Key]:
    """Return the keys of a mapping that has a type of its own, in the order in which they stand there."""
    return {name: next(_said_in(hint)) for name, hint in get_type_hints(shape, include_extras=True).items()}


def mandatory_keys(shape: type) -> frozenset[str]:
    """Return those of them that must be written."""
    hints = get_type_hints(shape, include_extras=True)
    return frozenset(name for name, hint in hints.items() if get_origin(hint) is Required)


def _said_in(hint: Any) -> Iterator[Key]:
    for part in (*getattr(hint, "__metadata__", ()), *get_args(hint)):
        if isinstance(part, Key):
            yield part
        elif not isinstance(part, str):
            yield from _said_in(part)
