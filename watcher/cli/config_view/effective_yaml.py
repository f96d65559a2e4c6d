"""The effective configuration as a config file that a person can read; 100,000 targets take seconds."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.cli.config_view.effective import TargetShower
from watcher.text.escaping import one_line
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.page_options import PageOptions
    from watcher.model.target import Target

# What YAML takes for text wherever it stands; all else is put in quotes.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_/.+-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
# JSON leaves these as they are; terminals and YAML do not take them so.
_UNSAFE = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
# What is read as one dollar sign, or as the beginning of a variable.
_DOLLAR = re.compile(r"\$(?=[${])")
_FILES = ("ca_file", "cert_file", "key_file")

# Larger ones are no whole numbers that a person reads.
MAX_WHOLE = 1e15


def yaml_lines(
    settings: Mapping[str, Mapping[str, Any]],
    targets: Iterable[Target],
    page: PageOptions,
    alerting: AlertingOptions,
    secrets: Sequence[str] = (),
) -> Iterator[str]:
    """Write the settings as comments, each with where it is from, and the targets with all that holds for them.

    What is written is a config file: read again, it has the same targets, but for their secrets.

    Args:
        settings: from `effective_settings`.
        targets: any number.
        page: of the status page; nothing is written where nothing is said.
        alerting: of channels, and of alerts as a whole; the same holds.
        secrets: for `TargetShower`.

    Yields:
        lines, several in one text; the newline at the end is missing.
    """
    yield "# What takes effect, with secrets masked as ***: first the settings, each with where it is from."
    for key, setting in settings.items():
        yield f"# {key}={_UNSAFE.sub(_escaped, one_line(setting['value'] or ''))}  ({one_line(setting['from'])})"
    shower, known = TargetShower(secrets, alerting.channels), dict[int, str]()
    if shown := shower.page(page):
        yield "\n".join(["page:", *_mapping(shown, "  ")])
    yield from _alerting_lines(shower.alerting(alerting))
    yield "# The targets, with their defaults; durations are in seconds."
    yield "urls:"
    for target in targets:
        own = {**shower.own(target), "address": shower.masked(without_secrets(target.address))}  # however long
        texts = ["\n".join(_mapping(own, "    "))]
        for part in shower.shared(target):
            if id(part) not in known:
                known[id(part)] = "\n".join(_mapping(_with_whole_paths(part), "    "))
            texts.append(known[id(part)])
        yield "  - " + "\n".join(text for text in texts if text)[4:]


def _alerting_lines(shown: Mapping[str, Any]) -> Iterator[str]:
    for key, value in shown.items():
        yield f"{key}:"
        if isinstance(value, dict):
            yield from _mapping(value, "  ")
        else:
            yield from ("  - " + "\n".join(_mapping(item, "    "))[4:] for item in value)


def scalar(value: object) -> str:
    """Write a value on one line: text without quotes where nothing can mistake it, and what is nested as JSON."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.0f}" if value.is_integer() and abs(value) < MAX_WHOLE else repr(value)
    return _UNSAFE.sub(_escaped, json.dumps(_with_dollars(value), ensure_ascii=False))


def _with_dollars(value: Any) -> Any:
    # Variables are put into values, and not into keys.
    if isinstance(value, str):
        return _DOLLAR.sub("$$", value)
    if isinstance(value, dict):
        return {key: _with_dollars(inner) for key, inner in value.items()}
    return list(map(_with_dollars, value)) if isinstance(value, list) else value


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _with_whole_paths(part: dict[str, Any]) -> dict[str, Any]:
    """Write paths so that they mean the same wherever the text is kept."""
    tls = part.get("tls_config")
    if not tls:
        return part
    return {**part, "tls_config": {key: str(Path(it).absolute()) if key in _FILES else it for key, it in tls.items()}}


def _name(key: str) -> str:
    """Write a key: a dollar sign in it is one."""
    if _PLAIN.fullmatch(key) and key.lower() not in _WORDS:
        return key
    return _UNSAFE.sub(_escaped, json.dumps(key, ensure_ascii=False))


def _mapping(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in values.items():
        if value is None:
            continue  # what is not written and has no default
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from (f"{indent}  {_name(name)}: {scalar(inner)}" for name, inner in value.items())
        elif isinstance(value, list):
            yield f"{indent}{key}: [{', '.join(map(_flow, value))}]"
        else:
            yield f"{indent}{key}: {scalar(value)}"


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_name(name)}: {scalar(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) and value.isdigit() else scalar(value)
