"""Reads `.env` and the environment: the value of each key, and its place."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from watcher.config.mistakes import Mistake, Place, did_you_mean, shown
from watcher.config.secret_files import NamedFile, secret_of
from watcher.config.yaml.interpolation import UNUSABLE
from watcher.text.redaction import quotable_setting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from dotenv.parser import Binding

# docker-compose and the postgres image read `.env`, too; these are their keys.
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

# `KEY_FILE` names a file that holds the value of `KEY`.
FILE_SUFFIX = "_FILE"


@dataclass(frozen=True, slots=True)
class EnvEntry:
    """The value of a key, and its place.

    Attributes:
        key: as written; it ends in `_FILE` for a value from a file.
        file: the path of that file, or None.
    """

    value: str
    place: Place
    key: str
    file: str | None = None

    @property
    def shown(self) -> str:
        """The value for an error line; the content of a file is never shown."""
        return shown(quotable_setting(self.value)) if self.file is None else f"what is in {shown(self.file)}"


class Environment:
    """The keys of `.env` and of the real environment; the environment wins.

    Attributes:
        mistakes: bad syntax, doubled and unknown keys, and unusable values.
        place: the file, for mistakes about missing keys.
        found: whether the file exists.
        is_readable: whether the file is text; only then a missing key is a mistake.
        variables: every value by its key, including unknown keys, for `${NAME}` in config files.
        named_files: the files that hold values.
    """

    def __init__(self, file: Path, variables: Mapping[str, str], known_keys: Collection[str]) -> None:
        """Read the file and the files that hold values.

        Args:
            file: path of `.env`; a missing file counts as empty.
            variables: the real environment.
            known_keys: the keys of the settings; for others see `refuse_unread`.
        """
        self.place = Place(str(file))
        self.found = self.is_readable = True
        self.mistakes: list[Mistake] = []
        self.named_files: list[NamedFile] = []
        self._known_keys = {*known_keys, *(key + FILE_SUFFIX for key in known_keys)}
        self._unread: dict[str, Place] = {}
        written = {entry.key: entry for entry in self._read(file)}
        # An empty variable counts as unset, as with docker-compose's `${VAR:-default}`.
        named = {key: variables[key] for key in self._known_keys if variables.get(key)}
        real = {key: EnvEntry(value, Place("environment"), key) for key, value in named.items()}
        self._entries: dict[str, EnvEntry] = {}
        for key in known_keys:
            entry = self._chosen(key, written, known_keys)
            entry = self._chosen(key, real, known_keys) or entry
            if entry is not None and (entry := self._readable(key, entry)) is not None:
                self._entries[key] = entry
        texts = {key: entry.value for key, entry in written.items()}
        self.variables: dict[str, str] = {
            **texts,
            **{key: value for key, value in variables.items() if value or not texts.get(key)},
            **{key: entry.value for key, entry in self._entries.items()},
        }

    def refuse_unread(self, names: Collection[str] | None) -> None:
        """Add a mistake for each key of the file that nothing reads.

        Args:
            names: the variables that the config files use; None if these cannot be read, and then only a key that
                resembles a known one is a mistake.
        """
        for key, place in self._unread.items():
            hint = did_you_mean(key, {*self._known_keys, *(names or ())})
            variable = key.removesuffix(FILE_SUFFIX)
            if variable != key and variable in (names or ()):
                hint = f": only settings can come from a file; set {variable} itself, or name the file in the config"
                hint += " file, as in password_file or credentials_file"
            if key not in (names or ()) and (hint or names is not None):
                self.mistakes.append(Mistake(place, key, f"unknown key, nothing reads it{hint}"))

    @property
    def has_unread(self) -> bool:
        """Whether the file has keys that only a config file could read."""
        return bool(self._unread)

    def get(self, key: str) -> EnvEntry | None:
        """Return the value of a key, or None if it is not set."""
        return self._entries.get(key)

    def _read(self, file: Path) -> Iterator[EnvEntry]:
        try:
            content = file.read_bytes()
            text = content.decode("utf-8-sig")
        except FileNotFoundError:
            self.found = False
            return
        except UnicodeDecodeError as error:
            before = content[: error.start].decode("utf-8-sig", "replace")
            place = Place(str(file), before.count("\n") + 1, len(before) - before.rfind("\n"))
            self.mistakes.append(Mistake(place, "", "is not UTF-8; save the file as UTF-8"))
            self.is_readable = False
            return
        except OSError as error:
            self.mistakes.append(Mistake(self.place, "", f"cannot be read: {error.strerror}; make it a readable file"))
            return
        first_lines: dict[str, int] = {}
        for binding in parse_stream(StringIO(text, newline=None)):
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
                if binding.key not in self._known_keys and not binding.key.startswith(_KEYS_OF_OTHERS):
                    self._unread[binding.key] = place
                yield EnvEntry(binding.value or "", place, binding.key)

    def _chosen(self, key: str, entries: Mapping[str, EnvEntry], known_keys: Collection[str]) -> EnvEntry | None:
        """Return the value that one source has for a key, directly or in a file."""
        direct, file_key = entries.get(key), key + FILE_SUFFIX
        by_file = entries.get(file_key) if file_key not in known_keys else None
        if by_file is None or not by_file.value:
            return direct if direct is not None and direct.value else None
        if direct is not None and direct.value:
            self.mistakes.append(Mistake(by_file.place, file_key, f"is written besides {key}; remove one"))
            return direct
        return by_file

    def _readable(self, key: str, entry: EnvEntry) -> EnvEntry | None:
        """Return an entry with a usable value, read from its file if it has one."""
        if UNUSABLE.search(entry.value):
            text = "has a NUL, or a byte that is not UTF-8; write plain text"  # unquoted: it may be a password
            self.mistakes.append(Mistake(entry.place, entry.key, text))
            return None
        if entry.key == key:
            return entry
        self.named_files.append(NamedFile(Path(entry.value), entry.key, True, lambda: entry.place))
        try:
            return EnvEntry(secret_of(Path(entry.value)), entry.place, entry.key, entry.value)
        except ValueError as error:
            self.mistakes.append(Mistake(entry.place, entry.key, str(error)))
            return None

    def _place_of(self, binding: Binding) -> Place:
        original = binding.original.string
        blank = original[: len(original) - len(original.lstrip())]
        line = binding.original.line + blank.count("\n")
        return Place(self.place.source, line, len(blank) - (blank.rfind("\n") + 1) + 1)
