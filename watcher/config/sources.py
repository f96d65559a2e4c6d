"""The files that targets were read from: what stands in them, where, and which other files they name.

What `warnings.py` makes warnings of, beside the files of secrets that `.env` and the environment name
(`POSTGRES_PASSWORD_FILE`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from watcher.config.mistakes import dotted
from watcher.config.secret_files import NamedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from watcher.config.mistakes import Place
    from watcher.config.yaml.document import Document

# Which keys of an entry, of a channel or of the whole file name a file, and whether what is in it is a secret.
_FILE_KEYS: tuple[tuple[tuple[str, ...], bool], ...] = (
    (("basic_auth", "password_file"), True),
    (("authorization", "credentials_file"), True),
    (("tls_config", "ca_file"), False),
    (("tls_config", "cert_file"), False),
    (("tls_config", "key_file"), True),
)
_FILE_KEYS_OF_CHANNEL = (
    (("url_file",), True),
    (("webhook", "url_file"), True),
    (("webhook", "secret_file"), True),
    (("alertmanager", "url_file"), True),
)
_FILE_KEYS_OF_FILE = ((("page", "logo_file"), False), (("heartbeat", "url_file"), True))


@dataclass(frozen=True, slots=True)
class Source:
    """A config file without a mistake: entry `i` of its `urls` is target `first_index + i`.

    Attributes:
        document: what stands in it; `document.data` is the plain tree as written, with variables put in.
        path: of the file; relative paths in it begin at its folder.
        first_index: of its first target among all.
    """

    document: Document
    path: Path
    first_index: int

    @property
    def entries(self) -> Sequence[dict[str, Any]]:
        """The entries of `urls` as written, without the defaults; none where the file has no `urls`."""
        return self._list("urls")

    @property
    def defaults(self) -> dict[str, Any]:
        """The `defaults` as written in this file, which hold for the files beside it as well."""
        return self._mapping("defaults")

    @property
    def page(self) -> dict[str, Any]:
        """The `page` as written in this file; empty where there is none."""
        return self._mapping("page")

    @property
    def channels(self) -> Sequence[dict[str, Any]]:
        """The items of `channels` as written in this file."""
        return self._list("channels")

    @property
    def maintenance(self) -> Sequence[dict[str, Any]]:
        """The items of `maintenance` as written in this file, for all or some of the targets."""
        return self._list("maintenance")

    def place_of(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        """Say where a value stands; see `Document.place_of`.

        Args:
            path: from the root of the file, as in `("urls", 3, "interval")`; the index is that in the file.
            key: the place of the last key instead of its value.
        """
        return self.document.place_of(path, key=key)

    def is_substituted(self, path: Sequence[str | int]) -> bool:
        """Say whether a variable was put into the text at a path; see `Document.is_substituted`."""
        return self.document.is_substituted(path)

    def variables_in(self, path: Sequence[str | int]) -> frozenset[str]:
        """Return the variables that were put into the text at a path; see `Document.variables_in`."""
        return self.document.variables_in(path)

    def named_files(self) -> Iterator[NamedFile]:
        """Yield the logo, secrets and certificates that it names, in order; one that is named twice comes twice."""
        yield from self._files_in((), self.document.data, _FILE_KEYS_OF_FILE)
        for index, channel in enumerate(self.channels):
            yield from self._files_in(("channels", index), channel, _FILE_KEYS_OF_CHANNEL)
        yield from self._files_in(("defaults",), self.defaults)
        for index, entry in enumerate(self.entries):
            yield from self._files_in(("urls", index), entry)

    def _mapping(self, key: str) -> dict[str, Any]:
        data = self.document.data
        value = data.get(key) if isinstance(data, dict) else None
        return value if isinstance(value, dict) else {}

    def _list(self, key: str) -> Sequence[dict[str, Any]]:
        data = self.document.data
        items = data.get(key) if isinstance(data, dict) else None
        return items if isinstance(items, list) else []

    def _files_in(
        self, base: tuple[str | int, ...], options: Any, keys: Sequence[tuple[tuple[str, ...], bool]] = _FILE_KEYS
    ) -> Iterator[NamedFile]:
        for path, is_secret in keys if isinstance(options, dict) else ():
            name = options
            for key in path:
                name = name.get(key) if isinstance(name, dict) else None
            if isinstance(name, str):
                steps = (*base, *path)
                yield NamedFile(self.path.parent / name, dotted(steps), is_secret, partial(self.place_of, steps), steps)
