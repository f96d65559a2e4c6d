"""The tree of a YAML document: its plain values, and beside them where in the file each is written.

PyYAML's tree has a node with two marks for each value, which takes ten times the memory of the values. Here the values
themselves are the tree, and one array has the marks of what is in each mapping and each list. A mark is the index of a
character in the text, and becomes a line and a column only when a place is asked for.
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
from watcher.config.schema.secret_keys import harmless_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What stands for the key of a merged mapping, and for one that is not text.
MERGED = None
NO_TEXT = ""

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
# The keys of a mapping of more than these are counted once, and not for each path.
_FEW_KEYS = 64


class Found(NamedTuple):
    """The value at a path, or the closest thing around it that is there.

    Attributes:
        value: what it is.
        mark, key_mark: where it is written, and where its key is; the same for what has no key.
        is_whole: whether it is what the path leads to.
    """

    value: Any
    mark: int
    key_mark: int
    is_whole: bool


class Tree:
    """A document whose aliases, merge keys and variables are replaced by what they stand for.

    Attributes:
        data: its plain value: mappings, lists, text, numbers, booleans, None.
        mark: of the whole.
        written: text as it is in the file, where it has a dollar sign, by its mark.
        unused: what is written in mappings and is not in the data, by their ids: keys, values and marks.
        has_aliases: whether a value is written in one place and used in others, where its key may be another.
    """

    def __init__(self, source: str, text: str) -> None:
        """Begin with an empty document.

        Args:
            source: the file's path as the user wrote it.
            text: what stands in it.
        """
        self.data: Any = None
        self.mark = 0
        self.written: dict[int, str] = {}
        self.unused: dict[int, list[tuple[str | None, Any, int]]] = {}
        self.has_aliases = False
        self._source = source
        self._text = text
        self._positions: dict[int, dict[str, int]] = {}
        # The ids of mappings and lists, where the marks of each begin, and the same as far as somebody has asked.
        self._ids, self._starts, self._marks = array("Q"), array("I"), array("I")
        self._start_by_id: dict[int, int] = {}
        self._asked = 0

    def add_marks(self, collection: Any, marks: list[int]) -> None:
        """Keep the marks of a mapping or a list for as long as that is there.

        Args:
            collection: which is whole.
            marks: of each item of a list; in a mapping of each key, followed by that of its value.
        """
        self._ids.append(id(collection))
        self._starts.append(len(self._marks))
        self._marks.fromlist(marks)

    def marks_of(self, collection: Any) -> array[int]:
        """Return the marks of a mapping or a list."""
        start = self._start_of(collection)
        return self._marks[start : start + len(collection) * (2 if isinstance(collection, dict) else 1)]

    def _start_of(self, collection: Any) -> int:
        if self._asked < len(self._ids):  # of an id that came again, the last one counts
            self._start_by_id.update(zip(self._ids[self._asked :], self._starts[self._asked :], strict=True))
            self._asked = len(self._ids)
        return self._start_by_id[id(collection)]

    def place(self, mark: int) -> Place:
        """Return the place of a mark; slow the first time."""
        line = bisect_right(self._beginnings, mark)
        return Place(self._source, line, mark - self._beginnings[line - 1] + 1)

    def find(self, path: Sequence[str | int]) -> Found:
        """Return what is at a path of keys and indexes from the root, as in `("urls", 3, "interval")`."""
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
        """The marks of scalars that stand where a secret may, in one at least of the places where they are used."""
        found: set[int] = set()
        if self.has_aliases:
            self._find_secrets(self.data, self.mark, NO_TEXT, found, set())
        return found

    def _find_secrets(
        self, value: Any, mark: int, key: str | None, found: set[int], seen: set[tuple[int, str | None]]
    ) -> None:
        """Look at a value.

        Args:
            value: any.
            mark: its own.
            key: the known key that it stands at, "" for the whole file; None where what stands in it may be a secret.
            found: takes the marks of secrets.
            seen: what was looked at before, each with its key: aliases can make millions of a few.
        """
        if not isinstance(value, (dict, list)):
            if key is None:
                found.add(mark)
        elif (id(value), key) not in seen:
            seen.add((id(value), key))
            for name, inner, inner_mark in self._parts(value):
                if name is MERGED:
                    known = key
                elif key == "" and name.startswith(EXTENSION):
                    continue  # it is judged where it is used
                else:
                    known = None if key is None else harmless_key(name, key or None)
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
        return array("Q", [0, *(match.end() for match in _BREAK.finditer(self._text))])
