"""The effective configuration as YAML that a person can read; 100,000 targets take seconds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from watcher.cli.effective import TargetShower
from watcher.model.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from watcher.model.target import Target

# What YAML takes for text wherever it stands; all else is put in quotes.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_/.+-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
# JSON leaves these as they are; terminals and YAML do not take them so.
_UNSAFE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def yaml_lines(settings: Mapping[str, Mapping[str, Any]], targets: Iterable[Target]) -> Iterator[str]:
    """Write the settings, each with where it is from in a comment, and the targets with all that holds for them.

    Args:
        settings: from `effective_settings`.
        targets: any number.

    Yields:
        lines, several in one text; the newline at the end is missing.
    """
    yield "# The settings of .env, as they take effect."
    yield "settings:"
    for key, setting in settings.items():
        yield f"  {key}: {scalar(setting['value'])}  # {one_line(setting['from'])}"
    yield "# The targets, with their defaults; durations are in seconds."
    yield "urls:"
    shower, known = TargetShower(), dict[int, str]()
    for target in targets:
        texts = ["\n".join(_mapping(shower.own(target), "    "))]
        for part in shower.shared(target):
            if id(part) not in known:
                known[id(part)] = "\n".join(_mapping(part, "    "))
            texts.append(known[id(part)])
        yield "  - " + "\n".join(text for text in texts if text)[4:]


def scalar(value: object) -> str:
    """Write a value on one line: text without quotes where nothing can mistake it, and what is nested as JSON."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _mapping(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in values.items():
        if value is None:
            continue  # what is not written and has no default
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from (f"{indent}  {scalar(name)}: {scalar(inner)}" for name, inner in value.items())
        elif isinstance(value, list):
            yield f"{indent}{key}: [{', '.join(map(_flow, value))}]"
        else:
            yield f"{indent}{key}: {scalar(value)}"


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(name)}: {scalar(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) and value.isdigit() else scalar(value)
