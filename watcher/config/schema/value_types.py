"""The types of values in `config.yaml` that YAML does not have."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from watcher.config.mistakes import shown
from watcher.config.schema.durations import duration_seconds
from watcher.config.schema.limits import MAX_JSON_NODES
from watcher.model.target import HttpVersion
from watcher.text.durations import DURATION

STRICT = ConfigDict(extra="forbid", strict=True)


def exactly_one_of(*keys: str) -> ConfigDict:
    """Return the configuration of a mapping with exactly one of these keys; only editors check it, see the readers."""
    return ConfigDict(**STRICT, json_schema_extra={"oneOf": [{"required": [key]} for key in keys]})


# Bounds in JSON Schema, for editors.
FILLED = {"minLength": 1}
SOME = {"minItems": 1}
SOME_KEYS = {"minProperties": 1}
ABOVE_ZERO = {"exclusiveMinimum": 0}
# An editor sees the file before variables are filled in.
VARIABLE_PATTERN = r"\$\{.+\}"
VARIABLE = {"type": "string", "pattern": VARIABLE_PATTERN}

_HTTP_VERSIONS = {"auto": "auto", "1.1": "1.1", "2": "2", "2.0": "2"}  # 1.1 and 2 are numbers without quotes


def _complaint(text: str) -> PydanticCustomError:
    return PydanticCustomError("complaint", "{text}", {"text": text})


def _status_range(value: object) -> tuple[int, int]:
    text = str(value) if isinstance(value, int) and 0 <= value <= 999 and not isinstance(value, bool) else value
    match = re.fullmatch(r"([0-9]{3})(?:-([0-9]{3}))?", text) if isinstance(text, str) else None
    if match is not None:
        low, high = int(match[1]), int(match[2] or match[1])
        if 100 <= low <= high:
            return low, high
    raise _complaint(f'{shown(value)} is not a status; write one from 100 to 999 or a range, as in [200, "300-399"]')


def _http_version(value: object) -> object:
    plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    version = _HTTP_VERSIONS.get(str(value)) if plain else None
    if version is None and value is not None:
        raise _complaint(f'{shown(value)} is not a supported HTTP version; write "1.1", "2" or auto')
    return version


def _plain_json(value: object) -> object:
    waiting, count = [value], 0
    while waiting:
        item = waiting.pop()
        count += 1
        if count > MAX_JSON_NODES:
            raise _complaint(f"has more than {MAX_JSON_NODES} values; compare with less of the body")
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise _complaint(f"{shown(item)} is not allowed in JSON; write a finite number")
        elif not isinstance(item, (str, int, float, bool, type(None))):
            raise _complaint(f"{shown(item)} is not a JSON value; write text, a number, true, false or null")
    return value


Duration = Annotated[
    float | None,
    BeforeValidator(duration_seconds),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{DURATION.pattern}$"}, VARIABLE]}),
]
StatusRange = Annotated[
    tuple[int, int],
    BeforeValidator(_status_range),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 999},
                {"type": "string", "pattern": "^[1-9][0-9]{2}(-[1-9][0-9]{2})?$"},
                VARIABLE,
            ]
        }
    ),
]
SpokenVersion = Annotated[
    HttpVersion | None,
    BeforeValidator(_http_version),
    WithJsonSchema({"anyOf": [{"enum": [*_HTTP_VERSIONS, 1.1, 2]}, VARIABLE]}),
]
PlainJson = Annotated[Any, BeforeValidator(_plain_json), WithJsonSchema({})]
