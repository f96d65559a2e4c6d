"""`.env` and the environment: which value a key has, and where it was written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from watcher.config.mistakes import Mistake, Place, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from dotenv.parser import Binding

# `.env` is read by docker-compose and the postgres image as well: these are theirs.
_KEYS_OF_OTHERS = (
    "COMPOSE_",
    "DOCKER_",
    "POSTGRES_INITDB_",
    "POSTGRES_HOST_AUTH_METHOD",
    "PGDATA",
    "TZ",
    "LANG",
    "LC_",
)

# A NUL, or what Python makes of a byte that is not UTF-8.
_UNUSABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and the place it was written at."""

    value: str
    place: Place


class Environment:
    """The keys of `.env` under those of the real environment, which win.

    Attributes:
        mistakes: syntax, doubled and unknown keys, and values that nothing can take.
        place: of the file, for mistakes about a key that is missing.
        found: whether the file is there.
    """

    def __init__(self, file: Path, variables: Mapping[str, str], known_keys: Collection[str]) -> None:
        """Read the file.

        Args:
            file: path of `.env`; a file that is not there counts as empty.
            variables: the real environment.
            known_keys: the keys that mean something; any other in the file is a mistake.
        """
        self.place = Place(str(file))
        self.found = True
        self.mistakes: list[Mistake] = []
        entries = dict(self._read(file, known_keys))
        # An empty variable counts as unset, as with docker-compose's `${VAR:-default}`.
        real = {key: Entry(variables[key], Place("environment")) for key in known_keys if variables.get(key)}
        self._entries = {key: entry for key, entry in {**entries, **real}.items() if self._usable(key, entry)}

    def get(self, key: str) -> Entry | None:
        """Return what was written for a key, or None where nothing was."""
        return self._entries.get(key)

    def _read(self, file: Path, known_keys: Collection[str]) -> Iterator[tuple[str, Entry]]:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            self.found = False
            return
        except (OSError, UnicodeDecodeError) as error:
            self.mistakes.append(Mistake(self.place, "", f"cannot be read: {error}"))
            return
        first_lines: dict[str, int] = {}
        for binding in parse_stream(StringIO(text)):
            place = self._place_of(binding)
            if binding.error or (binding.key is not None and binding.value is None):
                self.mistakes.append(Mistake(place, "", "this line is not KEY=value; mend or remove it"))
            elif binding.key is None:
                continue  # a comment or an empty line
            elif binding.key in first_lines:
                text = f"written twice, first in line {first_lines[binding.key]}; remove one"
                self.mistakes.append(Mistake(place, binding.key, text))
            else:
                first_lines[binding.key] = place.line or 0
                if binding.key not in known_keys and not binding.key.startswith(_KEYS_OF_OTHERS):
                    text = f"unknown key, nothing reads it{did_you_mean(binding.key, known_keys)}"
                    self.mistakes.append(Mistake(place, binding.key, text))
                elif binding.value:
                    yield binding.key, Entry(binding.value, place)

    def _usable(self, key: str, entry: Entry) -> bool:
        usable = _UNUSABLE.search(entry.value) is None
        if not usable:
            text = "has a NUL, or a byte that is not UTF-8; write plain text"  # not the value: it may be the password
            self.mistakes.append(Mistake(entry.place, key, text))
        return usable

    def _place_of(self, binding: Binding) -> Place:
        original = binding.original.string
        blank = original[: len(original) - len(original.lstrip())]
        line = binding.original.line + blank.count("\n")
        return Place(self.place.source, line, len(blank) - (blank.rfind("\n") + 1) + 1)
