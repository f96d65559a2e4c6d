"""The tree of a YAML document: its plain values, and the place in the file of each.

PyYAML's tree has a node with two marks for each value, which takes ten times the memory of the values. Here the values
are the tree, and one array has the marks of all keys, values and items. A mark is the index of a character in the text,
and is converted to a line and a column only when a place is needed.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.config.mistakes import Place
from watcher.config.schema.config_file import EXTENSION
from watcher.config.schema.secret_keys import SECRET_KEYS, harmless_key, looks_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Replace the key of a merged mapping, and a key that is not text.
MERGED = None
NO_TEXT = ""

LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
# The keys of a larger mapping are numbered once, not for each path.
_FEW_KEYS = 64


class Found(NamedTuple):
    """The value at a path, or the closest value around it that exists.

    Attributes:
        value: the value.
        mark: the mark of the value.
        key_mark: the mark of its key, or of the value if that does not have a key.
        is_whole: whether the whole path exists.
    """

    value: Any
    mark: int
    key_mark: int
    is_whole: bool


class Tree:
    """A document with its aliases, merge keys and variables resolved.

    Attributes:
        data: the plain value: mappings, lists, text, numbers, booleans, None.
        mark: the mark of the data.
        templates: texts with a dollar sign as they are in the file, by their marks.
        unused: keys, values and marks that are written in a mapping but are not in the data, by the id of the mapping.
        has_aliases: whether a value is used at other places than its own, perhaps under other keys.
    """

    def __init__(self, source: str, text: str) -> None:
        """Start with an empty document.

        Args:
            source: the file's path as the user wrote it.
            text: the content of the file.
        """
        self.data: Any = None
        self.mark = 0
        self.templates: dict[int, str] = {}
        self.unused: dict[int, list[tuple[str | None, Any, int]]] = {}
        self.has_aliases = False
        self._source = source
        self._text = text
        self._positions: dict[int, dict[str, int]] = {}
        # The ids of mappings and lists, and the start of the marks of each. The dict has the first `_asked` of them.
        self._ids, self._starts, self._marks = array("Q"), array("I"), array("I")
        self._start_by_id: dict[int, int] = {}
        self._asked = 0

    def add_marks(self, collection: Any, marks: list[int]) -> None:
        """Store the marks of a mapping or a list.

        Args:
            collection: the complete mapping or list.
            marks: the mark of each item of a list; of a mapping, the mark of each key followed by that of its value.
        """
        self._ids.append(id(collection))
        self._starts.append(len(self._marks))
        self._marks.fromlist(marks)

    def marks_of(self, collection: Any) -> array[int]:
        """Return the marks of a mapping or a list."""
        start = self._start_of(collection)
        return self._marks[start : start + len(collection) * (2 if isinstance(collection, dict) else 1)]

    def _start_of(self, collection: Any) -> int:
        if self._asked < len(self._ids):  # of objects that had the same id, the last one counts
            self._start_by_id.update(zip(self._ids[self._asked :], self._starts[self._asked :], strict=True))
            self._asked = len(self._ids)
        return self._start_by_id[id(collection)]

    def place(self, mark: int) -> Place:
        """Return the place of a mark; slow the first time."""
        line = bisect_right(self._beginnings, mark)
        return Place(self._source, line, mark - self._beginnings[line - 1] + 1)

    def find(self, path: Sequence[str | int]) -> Found:
        """Return the value at a path of keys and indexes from the root, as in `("urls", 3, "interval")`."""
        value, mark, key_mark = self.data, self.mark, self.mark
        for step in path:
            position = self._position(value, step)
            if position is None:
                return Found(value, mark, key_mark, is_whole=False)
            start = self._start_of(value)
            if isinstance(value, dict):
                key_mark, mark = self._marks[start + 2 * position : start + 2 * position + 2]
            else:
                key_mark = mark = self._marks[start + position]
            value = value[step]
        return Found(value, mark, key_mark, is_whole=True)

    @cached_property
    def secret_marks(self) -> set[int]:
        """The marks of scalars that may be secrets at one of their places at least."""
        found: set[int] = set()
        if self.has_aliases:
            self._find_secrets(self.data, self.mark, NO_TEXT, found, set())
        return found

    def _find_secrets(
        self, value: Any, mark: int, key: str | None, found: set[int], seen: set[tuple[int, str | None]]
    ) -> None:
        """Find the secrets in a value.

        Args:
            value: the value.
            mark: its mark.
            key: the known key of the value, "" for the whole file; None if scalars in the value may be secrets.
            found: receives the marks of secrets.
            seen: mappings and lists that are done, each with its key: aliases can repeat few of them millions
                of times.
        """
        if not isinstance(value, (dict, list)):
            if key is None:
                found.add(mark)
        elif (id(value), key) not in seen:
            seen.add((id(value), key))
            for name, inner, inner_mark in self._parts(value):
                known = key if name is MERGED else known_key(name, key)
                self._find_secrets(inner, inner_mark, known, found, seen)

    def _parts(self, value: Any) -> Iterator[tuple[str | None, Any, int]]:
        marks = self.marks_of(value)
        if isinstance(value, list):
            yield from zip(repeat(MERGED), value, marks)
        else:
            yield from zip(value, value.values(), marks[1::2], strict=True)
            yield from self.unused.get(id(value), ())

    def _position(self, value: Any, step: str | int) -> int | None:
        if isinstance(value, list):
            return step if isinstance(step, int) and step < len(value) else None
        if not isinstance(value, dict) or step not in value:
            return None
        if len(value) <= _FEW_KEYS:
            return list(value).index(step)
        positions = self._positions.get(id(value))
        if positions is None:
            positions = self._positions[id(value)] = {key: position for position, key in enumerate(value)}
        return positions[str(step)]

    @cached_property
    def _beginnings(self) -> array[int]:
        return array("Q", [0, *(match.end() for match in LINE_BREAK.finditer(self._text))])


def known_key(name: str, within: str | None) -> str | None:
    """Return the known key that a key of a mapping is or was meant to be; None if its value may be a secret.

    Args:
        name: the key.
        within: the known key of the mapping: "" for the file, `EXTENSION` in values of `x-` keys, and None where values
            may be secrets.
    """
    if within == "" and name.startswith(EXTENSION):
        return EXTENSION
    if within == EXTENSION:  # the aliases of the other values decide
        return None if name in SECRET_KEYS or looks_secret(name) else EXTENSION
    return None if within is None else harmless_key(name, within or None)
