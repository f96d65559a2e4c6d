"""The config files as written, the place of each value, and the other files that they name.

`warnings.py` looks for warnings here, and in the secret files that `.env` and the environment name.
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

# The keys of an entry, a channel or the whole file that name a file, and whether its content is a secret.
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
    """A valid config file; entry `i` of its `urls` is target `first_index + i`.

    Attributes:
        document: the parsed file; `document.data` is the plain tree as written, with variables filled in.
        path: of the file; relative paths in it start at its folder.
        first_index: the index of its first target among all targets.
    """

    document: Document
    path: Path
    first_index: int

    @property
    def entries(self) -> Sequence[dict[str, Any]]:
        """The entries of `urls` as written, without the defaults; empty without `urls`."""
        return self._list("urls")

    @property
    def defaults(self) -> dict[str, Any]:
        """The `defaults` as written in this file; they hold for the other files of the folder, too."""
        return self._mapping("defaults")

    @property
    def page(self) -> dict[str, Any]:
        """The `page` as written in this file; empty if missing."""
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
        """Return the place of a value; see `Document.place_of`.

        Args:
            path: from the root of the file, as in `("urls", 3, "interval")`; the index counts in the file.
            key: whether to return the place of the last key instead of its value.
        """
        return self.document.place_of(path, key=key)

    def is_substituted(self, path: Sequence[str | int]) -> bool:
        """Return whether the text at a path uses a variable; see `Document.is_substituted`."""
        return self.document.is_substituted(path)

    def variables_in(self, path: Sequence[str | int]) -> frozenset[str]:
        """Return the variables that the text at a path uses; see `Document.variables_in`."""
        return self.document.variables_in(path)

    def named_files(self) -> Iterator[NamedFile]:
        """Yield the logo, secrets and certificates that the file names, in order and with repetitions."""
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
