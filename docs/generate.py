"""Generates the reference of all keys from the types that read them: `python -m docs.generate`.

`config/schema.json` is for editors. `docs/configuration.md` is `docs/configuration.md.in` with tables inserted.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.config.env.settings_table import SETTINGS
from watcher.config.schema.config_file import SHAPES
from watcher.config.schema.editor_schema import editor_schema_text
from watcher.config.schema.keys import CONNECTED, EXPECTED, SENT, STATE, TOLD, keys_of, mandatory_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.config.env.settings_table import Setting
    from watcher.config.schema.keys import Key

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "docs" / "configuration.md.in"
PAGE = ROOT / "docs" / "configuration.md"
SCHEMA = ROOT / "config" / "schema.json"
COMMAND = "python -m docs.generate"

# The groups of the table in order, with the text beside their names.
_HEADINGS = {
    "": "",
    STATE: "see [When is a target down](#when-is-a-target-down)",
    SENT: "",
    CONNECTED: "",
    EXPECTED: "the check fails with the reason in brackets",
    TOLD: "see [Channels and alerts](#channels-and-alerts)",
}
_MARKER = re.compile(r"^<!-- table: (\S+) -->$", re.MULTILINE)


def files() -> dict[Path, str]:
    """Return the generated texts by the path of their file."""
    return {SCHEMA: editor_schema_text(), PAGE: page(TEMPLATE.read_text(encoding="utf-8"))}


def page(template: str) -> str:
    """Insert the tables into the page.

    Args:
        template: text with lines `<!-- table: NAME -->`; NAME is `.env`, `config.yaml`, or the key of a mapping.

    Raises:
        KeyError: a table with that name does not exist.
    """
    return _MARKER.sub(lambda match: _table(match[1]), template)


def _table(name: str) -> str:
    if name == ".env":
        return _rows(["key", "default", "reloads", "meaning"], [_setting_cells(setting) for setting in SETTINGS])
    shape = SHAPES[None if name == "config.yaml" else name]
    mandatory = mandatory_keys(shape)
    keys = sorted(keys_of(shape).items(), key=lambda item: (_rank(item[1]), item[0] not in mandatory | {"name"}))
    rows = []
    for heading, group in groupby(keys, key=lambda item: item[1].heading):
        if heading:
            rows.append([f"**{heading}**", "", _HEADINGS[heading], ""])
        rows += [_key_cells(key_name, key, mandatory=key_name in mandatory) for key_name, key in group]
    return _rows(["key", "default", "meaning", "example"], rows)


def _rank(key: Key) -> int:
    return list(_HEADINGS).index(key.heading)


def _setting_cells(setting: Setting) -> list[str]:
    default = "unset" if setting.default is None else f"`{setting.default}`"
    return [
        f"`{setting.key}`",
        "mandatory" if setting.mandatory else default,
        "yes" if setting.reloads else "restart",
        setting.meaning,
    ]


def _key_cells(name: str, key: Key, *, mandatory: bool) -> list[str]:
    reason = "" if key.reason is None else f" (`{key.reason}`)"
    example = "" if key.example is None else f"`{key.example}`"
    return [f"`{name}`", "mandatory" if mandatory else _default(key), f"{key.meaning}{reason}", example]


def _default(key: Key) -> str:
    if key.default_text is not None:
        return key.default_text
    if key.default is None:
        return "none"
    is_word = isinstance(key.default, (str, list))
    text = key.default if isinstance(key.default, str) else json.dumps(key.default)
    return f"`{text}`" if is_word else text


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("  |", " |") for line in lines)


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
