"""Defines the fields of request bodies, for the parser and the OpenAPI document; pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from watcher.alerting.silences.orders import LONGEST_SILENCE, MAX_BY_CHARS, MAX_TARGETS, MAX_WHY_CHARS
from watcher.web.api.parameters import MAX_TEXT_CHARS, WrongValuesError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MOST_MS = LONGEST_SILENCE // timedelta(milliseconds=1)


class BodyRefusedError(Exception):
    """A refused body; the arguments are the status and a sentence."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body.

    Attributes:
        schema: its JSON Schema.
        read: parses its value; raises ValueError with the complaint, without a subject.
    """

    schema: Mapping[str, Any]
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON object.

    Attributes:
        fields: allowed fields, by name.
        needed: required fields.
        choices: groups of fields; each group requires exactly one.
    """

    fields: Mapping[str, Field]
    needed: tuple[str, ...] = ()
    choices: tuple[tuple[str, ...], ...] = ()

    @property
    def is_needed(self) -> bool:
        """Whether a body is required at all."""
        return bool(self.needed or self.choices)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the object: each choice is a separate object."""
        chosen = {name for choice in self.choices for name in choice}
        free = [name for name in self.fields if name not in chosen]
        objects = [
            {
                "type": "object",
                "properties": {name: self.fields[name].schema for name in (*choice, *free)},
                "required": [*choice, *self.needed],
                "additionalProperties": False,
            }
            for choice in product(*self.choices)
        ]
        return objects[0] if len(objects) == 1 else {"anyOf": objects}

    def values_of(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Parse a body; missing fields are None.

        Args:
            content: the raw body.
            media_type: the value of `Content-Type`.

        Raises:
            BodyRefusedError: it is not JSON.
            WrongValuesError: fields are wrong, missing, unknown, or too many.
        """
        if not content and not self.is_needed:
            return dict.fromkeys(self.fields)
        if media_type.partition(";")[0].strip().lower() != "application/json":
            raise BodyRefusedError(415, "The body is not application/json.")
        try:
            given = json.loads(content)
        except (ValueError, RecursionError):
            raise BodyRefusedError(400, "The body is not JSON.") from None
        if not isinstance(given, dict):
            raise WrongValuesError({"body": "is not an object"})
        return self._values_of(given)

    def _values_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values, wrong = dict.fromkeys(self.fields), {}
        for name, value in given.items():
            if name not in self.fields:
                wrong[name[:MAX_TEXT_CHARS]] = "is not known"
                continue
            try:
                values[name] = self.fields[name].read(value)
            except ValueError as error:
                wrong[name] = str(error)
        wrong |= {name: "is missing" for name in self.needed if name not in given}
        for choice in self.choices:
            if sum(name in given for name in choice) != 1:
                wrong[choice[0]] = f"is missing or not alone: give exactly one of {', '.join(choice)}"
        if wrong:
            raise WrongValuesError(wrong)
        return values


def _text(value: object, most: int = MAX_TEXT_CHARS) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise ValueError(f"is not a text of 1 to {most} characters")
    return value


def _names(value: object) -> Sequence[str]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_TARGETS:
        raise ValueError(f"is not a list of 1 to {MAX_TARGETS} names")
    return [_text(one) for one in value]


def _true(value: object) -> bool:
    if value is not True:
        raise ValueError("is not true")
    return True


def _moment(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(_text(value).upper())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not a time in ISO 8601") from None


def _length(value: Any) -> timedelta:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _MOST_MS or value != int(value):
        raise ValueError(f"is not a whole number from 1 to {_MOST_MS}")
    return timedelta(milliseconds=value)


def _why(value: object) -> str:
    text = _text(value, MAX_WHY_CHARS)
    if not re.search(r"\S", text):
        raise ValueError("is blank")
    return text


_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS}
_WHY = Field({"type": "string", "minLength": 1, "maxLength": MAX_WHY_CHARS, "pattern": r"\S"}, _why)
_BY = Field({"type": "string", "minLength": 1, "maxLength": MAX_BY_CHARS}, lambda value: _text(value, MAX_BY_CHARS))

NEW_SILENCE = Body(
    {
        "targets": Field({"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MAX_TARGETS}, _names),
        "group": Field(_TEXT, _text),
        "all": Field({"const": True}, _true),
        "until": Field({"type": "string", "format": "date-time"}, _moment),
        "duration_ms": Field({"type": "integer", "minimum": 1, "maximum": _MOST_MS}, _length),
        "why": _WHY,
        "by": _BY,
    },
    needed=("why",),
    choices=(("targets", "group", "all"), ("until", "duration_ms")),
)
NEW_ACK = Body({"why": _WHY, "by": _BY})
