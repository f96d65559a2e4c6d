"""Lines of `.env` as they may be shown."""

from __future__ import annotations

import re

from watcher.cli.config_view.masked_line import MaskedLine, Part
from watcher.config.env.settings_table import DEFAULTS, SETTINGS
from watcher.config.mistakes import did_you_mean
from watcher.config.schema.secret_keys import looks_secret
from watcher.text.redaction import MASK, quotable_setting

_LINE = re.compile(r"(?P<key>\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,60}))(?P<equals>\s*=\s*)(?P<value>.*)")
_PLAIN = re.compile(r"'[^'@#]*'|\"[^\"@#]*\"|[^\s'\"@#]+")
_HARMLESS = frozenset(setting.key for setting in SETTINGS if not setting.secret)


def masked_env_line(line: str) -> MaskedLine:
    """Return the line with a mask for its value, but where the key surely holds no secret."""
    match = _LINE.fullmatch(line)
    if match is None:
        return MaskedLine((Part(0, line),) if line.strip() in _HARMLESS else (Part(0, MASK, is_raw=False),))
    value, begin = match["value"], match.start("value")
    if not value:
        return MaskedLine((Part(0, line),))
    match_of_value = _PLAIN.match(value)
    end_of_value = match_of_value.end() if match_of_value else 0
    rest = value[end_of_value:].strip()
    plain = value[:end_of_value].strip("'\"")
    is_whole = not rest or rest.startswith("#")
    is_raw = _is_harmless(match["name"]) and is_whole and end_of_value > 0 and quotable_setting(plain) == plain
    shown = Part(begin, value[:end_of_value]) if is_raw else Part(begin, MASK, is_raw=False)
    return MaskedLine((Part(0, match["key"] + match["equals"]), shown))


def _is_harmless(name: str) -> bool:
    if name in _HARMLESS or (name.removesuffix("_FILE") in DEFAULTS and name not in DEFAULTS):
        return True
    return not looks_secret(name) and any(did_you_mean(name, [key]) for key in _HARMLESS)
