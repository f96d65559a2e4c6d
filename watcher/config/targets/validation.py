"""Validates the shape of the config files and drops entries that fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from watcher.config.mistakes import did_you_mean, shown
from watcher.config.schema.alert_keys import ConnectivityKeys, HeartbeatKeys
from watcher.config.schema.channel_keys import ChannelKeys
from watcher.config.schema.config_file import EXTENSION, KNOWN_KEYS, ConfigFile, Options, UrlEntry, all_keys
from watcher.config.schema.page_keys import PageKeys
from watcher.config.schema.secret_keys import may_be_secret
from watcher.config.schema.window_keys import MaintenanceKeys
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from watcher.config.targets.mistake_list import Mistakes
    from watcher.config.yaml.document import Document

_KEYS = all_keys()
# Examples for keys whose value is a list or a mapping.
_EXAMPLES = {name: f"{name}: {key.example}" for name, key in _KEYS.items() if key.example is not None}

# The other sections beside `urls`: mappings and lists.
_SECTIONS = ("defaults", "page", "connectivity", "heartbeat")
_LISTS = ("channels", "maintenance")


@cache
def _adapter(keys: Any) -> TypeAdapter[Any]:
    """Return the validator of a mapping; building one is slow, and most commands do not need it."""
    return TypeAdapter(keys)


def _shape_text(path: Sequence[str | int], detail: ErrorDetails) -> str:
    """Return the problem at a path, and its remedy."""
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
        return f"{value} is not text; put it in quotes"
    if kind.startswith("float"):
        return f"{value} is not a number; write one, as in 14"
    if kind.startswith("int"):
        return f"{value} is not a whole number; write one, as in 3"
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
        return f"{value} is not a mapping; write `- address: https://example.com/`"
    noun = "list" if kind == "list_type" else "mapping"
    example = _EXAMPLES.get(key, "")
    return f"{value} is not a {noun}; write it as in `{example}`" if path else f"{value} is not a {noun}"


def _shown_at(path: Sequence[str | int], value: object) -> str:
    if may_be_secret(path):
        return "this"
    # It may be an address, as in `- https://user:password@example.com/`; a text with spaces and without a query is not.
    is_address = isinstance(value, str) and ("?" in value or not any(map(str.isspace, value)))
    return shown(without_secrets(str(value)) if is_address else value)


def _last_key(path: Sequence[str | int]) -> str | None:
    return next((step for step in reversed(path) if isinstance(step, str)), None)


@dataclass(frozen=True, slots=True)
class ValidFile:
    """A config file, with its valid entries and sections.

    Attributes:
        document: the parsed file.
        path: of the file; relative paths in it start at its folder.
        entries: the valid entries, each with its index in `urls`; a bad entry does not hide mistakes in the others.
        defaults: the defaults of this file.
        page: the options of the status page; empty if missing or invalid.
        channels, maintenance: the valid items, each with its index.
        connectivity, heartbeat: None if missing or invalid.
    """

    document: Document
    path: Path
    entries: list[tuple[int, UrlEntry]]
    defaults: Options
    page: PageKeys = field(default_factory=PageKeys)
    channels: list[tuple[int, ChannelKeys]] = field(default_factory=list)
    maintenance: list[tuple[int, MaintenanceKeys]] = field(default_factory=list)
    connectivity: ConnectivityKeys | None = None
    heartbeat: HeartbeatKeys | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults of all files, for all entries.

    Attributes:
        options: the merged defaults.
        homes: the file of each key.
        first: the file to complain about if no file has the key.
    """

    options: Options
    homes: dict[str, Document] = field(default_factory=dict)
    first: Document | None = None

    def home_of(self, key: str | int) -> Document:
        """Return the file that has a key."""
        home = self.homes.get(str(key), self.first)
        assert home is not None  # a complaint always has a file
        return home


def validated(document: Document, path: Path, mistakes: Mistakes, *, urls_elsewhere: bool) -> ValidFile:
    """Validate the shape of a file.

    Args:
        document: the parsed file.
        path: of the file.
        mistakes: collects mistakes.
        urls_elsewhere: whether `urls` may be missing, since another file has them.
    """
    data = document.data if isinstance(document.data, dict) else {}
    raw = data.get("urls")
    if raw == []:
        text = "is empty; list the targets, as in `- address: https://example.com/`"
        mistakes.complain(document, ("urls",), text)
    for key in (*_SECTIONS, *_LISTS):
        if data.get(key, data) is None or (key in _LISTS and data.get(key) == []):
            mistakes.complain(document, (key,), "is empty; write a value, or remove the key")
    try:
        known = {key: value for key, value in data.items() if not key.startswith(EXTENSION)}
        file: ConfigFile = _adapter(ConfigFile).validate_python(known if data else document.data)
    except ValidationError as error:
        details: list[Any] = error.errors(include_url=False, include_context=False)
    else:
        return _whole(document, path, file)
    for detail in details:
        loc, kind = detail["loc"], detail["type"]
        if not (urls_elsewhere and kind == "missing" and loc == ("urls",)):
            mistakes.complain(document, loc, _shape_text(loc, detail), key=kind == "extra_forbidden")
    return _parts(document, path, data, {detail["loc"][:2] for detail in details})


def _whole(document: Document, path: Path, file: ConfigFile) -> ValidFile:
    return ValidFile(
        document,
        path,
        list(enumerate(file["urls"])),
        file.get("defaults") or Options(),
        file.get("page") or PageKeys(),
        list(enumerate(file.get("channels") or ())),
        list(enumerate(file.get("maintenance") or ())),
        file.get("connectivity"),
        file.get("heartbeat"),
    )


def _parts(document: Document, path: Path, data: dict[str, Any], broken: set[tuple[str | int, ...]]) -> ValidFile:
    """Return the valid parts of a file; `broken` has the first two steps of the path of each mistake."""
    broken_sections = {loc[0] for loc in broken if loc}

    def items(key: str, keys: Any) -> list[tuple[int, Any]]:
        raw = data.get(key)
        good = [pair for pair in enumerate(raw) if (key, pair[0]) not in broken] if isinstance(raw, list) else []
        return [(index, _adapter(keys).validate_python(item)) for index, item in good]

    def section(key: str, keys: Any) -> Any:
        value = None if key in broken_sections else data.get(key)
        return None if value is None else _adapter(keys).validate_python(value)

    return ValidFile(
        document,
        path,
        items("urls", UrlEntry),
        section("defaults", Options) or Options(),
        section("page", PageKeys) or PageKeys(),
        items("channels", ChannelKeys),
        items("maintenance", MaintenanceKeys),
        section("connectivity", ConnectivityKeys),
        section("heartbeat", HeartbeatKeys),
    )


def joined_defaults(files: Iterable[ValidFile], mistakes: Mistakes) -> Defaults:
    """Merge the defaults of all files.

    Args:
        files: all files.
        mistakes: collects the keys that two files have.
    """
    options: Any = {}
    homes: dict[str, Document] = {}
    first = None
    for file in files:
        first = first or file.document
        for key, value in file.defaults.items():
            if key in homes:
                other = homes[key].place_of(("defaults", key), key=True)
                text = f"is written in {other} too, and holds for all files of the folder; keep one of them"
                mistakes.complain(file.document, ("defaults", key), text, key=True)
            else:
                options[key], homes[key] = value, file.document
    return Defaults(options, homes, first)
