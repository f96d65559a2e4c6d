"""Composes the tree of a YAML document in one pass, and resolves aliases, merge keys and variables on the way."""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from watcher.config.mistakes import Mistake, by_place, dotted
from watcher.config.yaml.loader import MAX_NESTING, MERGE_KEY, TOO_DEEP, error_at, loader_of, text_of_tag
from watcher.config.yaml.scalars import TOO_LARGE, ScalarReader, size_of_scalar
from watcher.config.yaml.tree import MERGED, NO_TEXT, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.config.mistakes import Place

_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")

# Replaces a key that is not text in the path of a mistake below it.
_NO_STEP = "?"
_NO_KEY = "a key must be plain text; put it in quotes"
_ALIAS_AS_KEY = "an alias cannot be a key; write the key itself, or put text that begins with * in quotes"
_MERGE = object()
_NO_BASE = "must be a mapping, or a list of mappings; write it as in `<<: *base`"
_TWO_MERGES = "; write one, as in `<<: [*a, *b]`"

# The bounds of values that aliases repeat and of those that merge keys copy: many for each character of the file, but
# few enough that a short file is read quickly.
FREE_NODES = 20_000
NODES_PER_CHAR = 4


class Extent(NamedTuple):
    """The size of one more copy of a value: its values, their characters, and their nesting."""

    nodes: int
    chars: int
    depth: int


class Composer:
    """Composes the tree of the one document of a file.

    Attributes:
        tree: the tree, complete after `compose`.
    """

    def __init__(self, source: str, text: str, variables: Mapping[str, str]) -> None:
        """Prepare to read.

        Args:
            source: the file's path as the user wrote it, for error lines.
            text: the content of the file.
            variables: the values of `${NAME}`, by name.
        """
        self.tree = Tree(source, text)
        self._loader = loader_of(text)
        self._scalars = ScalarReader(source, self._loader, variables)
        self._mistakes: list[Mistake] = []
        self._left_nodes = self._left_merged = FREE_NODES + NODES_PER_CHAR * len(text)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._kept: list[Any] = []  # collections that may not be in the data: another could get the id
        self._unfinished: set[int] = set()
        self._extents: dict[int, Extent] = {}
        self._steps: list[Any] = []  # the path of the current value
        self._mark = 0  # of the last value

    @property
    def mistakes(self) -> Sequence[Mistake]:
        """Doubled keys, where the last one counts; keys that are not text, which are dropped; merge keys without a
        mapping; and variables that cannot be filled in, where the text stays as it is.
        """
        return by_place([*self._mistakes, *self._scalars.mistakes])

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables in filled-in text."""
        return frozenset(self._scalars.variables)

    @property
    def refused_places(self) -> set[Place]:
        """The places of variables that cannot be filled in; mistakes there are consequences."""
        return self._scalars.refused_places

    def compose(self) -> Tree:
        """Return the tree; its data is None for a file without a document.

        Raises:
            yaml.YAMLError: the text is not valid YAML, is more than one document, or is too large when expanded.
        """
        loader, tree = self._loader, self.tree
        loader.get_event()  # the start of the stream
        if loader.check_event(yaml.StreamEndEvent):
            return tree
        loader.get_event()  # the start of the document
        tree.data = self._value(loader.get_event(), 0)
        tree.mark = self._mark
        loader.get_event()
        if not loader.check_event(yaml.StreamEndEvent):
            raise error_at(loader.get_event(), "there is a second document")
        return tree

    def _value(self, event: Any, depth: int) -> Any:
        """Return a value, and store its mark in `_mark`."""
        self._mark = mark = event.start_mark.index
        if isinstance(event, yaml.ScalarEvent):
            text: str = event.value
            if "$" in text:
                self.tree.templates[mark] = sys.intern(text)  # many are the same
                value = self._scalars.filled(event, self._steps)
            else:
                value = self._scalars.unfilled(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = value, mark
            return value
        if depth >= MAX_NESTING:
            raise error_at(event, TOO_DEEP)
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event, depth)
        assert isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent))
        if event.tag not in _COLLECTION_TAGS:
            raise error_at(event, text_of_tag(event.tag))
        collection: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        if event.anchor is not None:
            self._anchors[event.anchor] = collection, mark
            self._kept.append(collection)
            self._unfinished.add(id(collection))
        self._steps.append("")
        if isinstance(collection, dict):
            self._fill_mapping(collection, depth + 1)
        else:
            self._fill_list(collection, depth + 1)
        self._steps.pop()
        self._unfinished.discard(id(collection))
        self._mark = mark
        return collection

    def _repeated(self, event: Any, depth: int) -> Any:
        self.tree.has_aliases = True
        if event.anchor not in self._anchors:
            raise error_at(event, "found undefined alias; put text that begins with * in quotes")
        value, self._mark = self._anchors[event.anchor]
        if id(value) in self._unfinished:
            raise error_at(event, "the alias stands inside of what it repeats")
        extent = self._extent_of(value)
        self._left_nodes -= extent.nodes
        if self._left_nodes < 0:
            raise error_at(event, TOO_LARGE)
        self._scalars.charge(extent.chars, event)
        if depth + extent.depth > MAX_NESTING:
            raise error_at(event, TOO_DEEP)
        return value

    def _extent_of(self, value: Any) -> Extent:
        if not isinstance(value, (dict, list)):
            return Extent(1, size_of_scalar(value), 0)
        extent = self._extents.get(id(value))
        if extent is None:
            parts = [self._extent_of(part) for part in (value.values() if isinstance(value, dict) else value)]
            nodes, chars = 1 + sum(part.nodes for part in parts), sum(part.chars for part in parts)
            extent = Extent(nodes, chars, 1 + max((part.depth for part in parts), default=0))
            self._extents[id(value)] = extent
        return extent

    def _fill_list(self, collection: list[Any], depth: int) -> None:
        steps, marks = self._steps, list[int]()
        event = self._loader.get_event()
        while not isinstance(event, yaml.SequenceEndEvent):
            steps[-1] = len(collection)
            collection.append(self._value(event, depth))
            marks.append(self._mark)
            event = self._loader.get_event()
        self.tree.add_marks(collection, marks)

    def _fill_mapping(self, mapping: dict[str, Any], depth: int) -> None:
        marks: list[int] = []  # of each key and of its value
        doubles: list[tuple[str, int, Any, int]] = []
        bases: list[dict[str, Any]] = []
        first_merge = None
        steps, get_event = self._steps, self._loader.get_event
        event = get_event()
        while not isinstance(event, yaml.MappingEndEvent):
            mark = event.start_mark.index
            key = self._key(event, mark, depth)
            if isinstance(key, str):
                steps[-1] = key
                value = self._value(get_event(), depth)
                if key in mapping:
                    doubles.append((key, mark, mapping[key], self._mark))
                else:
                    marks += (mark, self._mark)
                mapping[key] = value
            elif key is _MERGE:
                steps[-1] = MERGE_KEY
                if first_merge is not None:
                    self._complain_of_two(mark, MERGE_KEY, first_merge, _TWO_MERGES)
                first_merge = mark if first_merge is None else first_merge
                bases += self._bases(mapping, depth)
            else:
                steps[-1] = _NO_STEP
                value = self._value(get_event(), depth)
                self._complain(mark, "", _ALIAS_AS_KEY if isinstance(event, yaml.AliasEvent) else _NO_KEY)
                self._leave_out(mapping, NO_TEXT, value, self._mark)
            event = get_event()
        if doubles:
            self._complain_of_doubles(mapping, marks, doubles)
        self.tree.add_marks(mapping, self._merged(mapping, marks, bases) if bases else marks)

    def _complain_of_doubles(
        self, mapping: dict[str, Any], marks: list[int], doubles: list[tuple[str, int, Any, int]]
    ) -> None:
        """Report doubled keys, and replace the marks of the first values by those of the last.

        Args:
            mapping: the mapping with the keys.
            marks: the marks of the first keys and values.
            doubles: each repeated key, its mark, the value that it replaced, and the mark of its own value.
        """
        positions = {key: 2 * index for index, key in enumerate(mapping)}
        firsts: dict[str, int] = {}
        for key, mark, replaced, mark_of_value in doubles:
            at = positions[key]
            self._complain_of_two(mark, key, firsts.setdefault(key, marks[at]), "; remove one")
            self._leave_out(mapping, key, replaced, marks[at + 1])
            marks[at : at + 2] = mark, mark_of_value

    def _key(self, event: Any, mark: int, depth: int) -> Any:
        """Return a key, without filling in variables, since error lines quote keys."""
        if isinstance(event, yaml.ScalarEvent):
            key = self._scalars.unfilled(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = key, mark
            return _MERGE if key == MERGE_KEY and event.implicit[0] else key
        self._kept.append(self._value(event, depth))
        return None  # the anchor of an alias may be a password

    def _bases(self, mapping: dict[str, Any], depth: int) -> list[dict[str, Any]]:
        """Read the mappings of a merge key."""
        event = self._loader.get_event()
        value, mark = self._value(event, depth), event.start_mark.index
        if not isinstance(event, yaml.AliasEvent):
            self._leave_out(mapping, MERGED, value, self._mark)
        is_list = isinstance(value, list)
        marks = self.tree.marks_of(value) if is_list else [mark]
        bases = []
        for index, (base, mark) in enumerate(zip(value if is_list else [value], marks, strict=True)):
            if isinstance(base, dict):
                bases.append(base)
            else:
                self._complain(mark, dotted([*self._steps, index] if is_list else self._steps), _NO_BASE)
        self._left_merged -= sum(map(len, bases))
        if self._left_merged < 0:
            raise error_at(event, TOO_LARGE)
        return bases

    def _merged(self, mapping: dict[str, Any], marks: list[int], bases: list[dict[str, Any]]) -> list[int]:
        """Add the keys of the bases that a mapping does not have, those of earlier bases first; return its marks."""
        own = dict(mapping)
        mapping.clear()
        pairs: dict[str, Any] = {}
        for part, of_part in [*((base, self.tree.marks_of(base)) for base in reversed(bases)), (own, marks)]:
            mapping.update(part)
            pairs.update(zip(part, zip(of_part[::2], of_part[1::2], strict=True), strict=True))
        return list(chain.from_iterable(pairs.values()))

    def _leave_out(self, mapping: dict[str, Any], key: str | None, value: Any, mark: int) -> None:
        self.tree.unused.setdefault(id(mapping), []).append((key, value, mark))

    def _complain_of_two(self, mark: int, key: str, first: int, advice: str) -> None:
        text = f"written twice, first in line {self.tree.place(first).line}{advice}"
        self._complain(mark, dotted([key]), text)

    def _complain(self, mark: int, where: str, text: str) -> None:
        self._mistakes.append(Mistake(self.tree.place(mark), where, text))
