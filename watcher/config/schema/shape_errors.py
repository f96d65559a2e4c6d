"""What pydantic finds wrong with the shape of `config.yaml`, in the words of its users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.config.mistakes import did_you_mean, shown
from watcher.config.schema.config_file import KNOWN_KEYS, all_keys
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

_KEYS = all_keys()
# How the value of a key looks, where it is a list or a mapping.
_EXAMPLES = {name: f"{name}: {key.example}" for name, key in _KEYS.items() if key.example is not None}
# What may hold a secret is not shown at all.
_SECRET_KEYS = frozenset(name for name, key in _KEYS.items() if key.secret)


def shape_text(path: Sequence[str | int], detail: ErrorDetails) -> str:
    """Say what is wrong at a path, and what to do."""
    kind, value, key = detail["type"], _shown_at(path, detail["input"]), _last_key(path)
    if kind == "complaint":
        return detail["msg"]
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        known = KNOWN_KEYS.get(_last_key(path[:-1]), ())
        return f"unknown key{did_you_mean(str(path[-1]), known) or '; known are ' + ', '.join(known)}"
    if kind == "string_type":
        if detail["input"] is None and path[-2:-1] == ("headers",):
            return "has no value; write a colon and a space after the name, as in `Accept: application/json`"
        return f"{value} is no text; put it in quotes"
    if kind.startswith("float"):
        return f"{value} is no number; write one, as in 14"
    if kind.startswith("int"):
        return f"{value} is no whole number; write one, as in 3"
    if kind == "bool_type":
        return f"{value} is neither true nor false; write one of them"
    if kind == "literal_error":
        return f"{value} is not one of {detail['msg'].removeprefix('Input should be ')}; write one of these"
    if kind in {"list_type", "dict_type"}:
        return _text_of_wrong_kind(path, key, kind, value)
    return detail["msg"]


def _text_of_wrong_kind(path: Sequence[str | int], key: str | None, kind: str, value: str) -> str:
    if key is None:
        return "the file must be a mapping with the key `urls`; write `urls:` above the list"
    if key == "urls":
        if kind == "list_type":
            return "must be a list; write one `- address: https://example.com/` a line under it"
        return f"{value} is no mapping; write `- address: https://example.com/`"
    noun = "list" if kind == "list_type" else "mapping"
    example = _EXAMPLES.get(key, "")
    return f"{value} is no {noun}; write it as in `{example}`" if path else f"{value} is no {noun}"


def _shown_at(path: Sequence[str | int], value: object) -> str:
    if _SECRET_KEYS.intersection(step for step in path if isinstance(step, str)):
        return "this"
    # It may be an address, as in `- https://user:password@example.com/`; words that no query follows are none.
    is_address = isinstance(value, str) and ("?" in value or not any(map(str.isspace, value)))
    return shown(without_secrets(str(value)) if is_address else value)


def _last_key(path: Sequence[str | int]) -> str | None:
    return next((step for step in reversed(path) if isinstance(step, str)), None)
