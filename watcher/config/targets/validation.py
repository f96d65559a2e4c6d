"""The config files as what they say, each of the right shape; what has not the right shape is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from watcher.config.schema.config_file import ConfigFile, Options, UrlEntry
from watcher.config.schema.shape_errors import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from watcher.config.targets.mistake_list import Mistakes
    from watcher.config.yaml.document import Document

_FILE: TypeAdapter[ConfigFile] = TypeAdapter(ConfigFile)
_ENTRY: TypeAdapter[UrlEntry] = TypeAdapter(UrlEntry)
_OPTIONS: TypeAdapter[Options] = TypeAdapter(Options)


@dataclass(frozen=True, slots=True)
class ValidFile:
    """A config file.

    Attributes:
        document: as it is written.
        path: of the file; relative paths in it begin at its folder.
        entries: those that have the right shape, so that one bad entry hides no mistake in the others, each with its
            index in `urls`.
        defaults: those of this file.
    """

    document: Document
    path: Path
    entries: list[tuple[int, UrlEntry]]
    defaults: Options


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults of all files, which hold for all entries.

    Attributes:
        options: what they say.
        homes: the file that says it, by key.
        first: the file to complain about where a key is in none.
    """

    options: Options
    homes: dict[str, Document] = field(default_factory=dict)
    first: Document | None = None

    def home_of(self, key: str | int) -> Document:
        """Return the file in which a key is written."""
        home = self.homes.get(str(key), self.first)
        assert home is not None  # who complains has a file
        return home


def validated(document: Document, path: Path, mistakes: Mistakes, *, urls_elsewhere: bool) -> ValidFile:
    """Check the shape of a file.

    Args:
        document: what stands in it.
        path: of the file.
        mistakes: take what is wrong.
        urls_elsewhere: whether it may do without `urls`, since another file has them.
    """
    data = document.data if isinstance(document.data, dict) else {}
    raw = data.get("urls")
    if raw == []:
        text = "is empty; list what to watch, as in `- address: https://example.com/`"
        mistakes.complain(document, ("urls",), text)
    if data.get("defaults", data) is None:
        mistakes.complain(document, ("defaults",), "is empty; write a value, or remove the key")
    try:
        file = _FILE.validate_python(document.data)
    except ValidationError as error:
        details: list[Any] = error.errors(include_url=False, include_context=False)
    else:
        return ValidFile(document, path, list(enumerate(file["urls"])), file.get("defaults") or Options())
    for detail in details:
        loc, kind = detail["loc"], detail["type"]
        if not (urls_elsewhere and kind == "missing" and loc == ("urls",)):
            mistakes.complain(document, loc, shape_text(loc, detail), key=kind == "extra_forbidden")
    bad = {detail["loc"][1] for detail in details if len(detail["loc"]) > 1 and detail["loc"][0] == "urls"}
    good = [pair for pair in enumerate(raw) if pair[0] not in bad] if isinstance(raw, list) else []
    defaults = Options()
    if data.get("defaults") and not any(detail["loc"][:1] == ("defaults",) for detail in details):
        defaults = _OPTIONS.validate_python(data["defaults"])
    return ValidFile(document, path, [(index, _ENTRY.validate_python(entry)) for index, entry in good], defaults)


def joined_defaults(files: Iterable[ValidFile], mistakes: Mistakes) -> Defaults:
    """Join the defaults of all files.

    Args:
        files: all of them.
        mistakes: take the keys that are written in two of them.
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
