"""YAML to plain values, without the tree of nodes between them that PyYAML makes: it takes ten times their memory."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from watcher.config.mistakes import Mistake, Place, dotted
from watcher.config.yaml.interpolation import Interpolator, TooMuchError, references_in
from watcher.config.yaml.loader import MAX_NESTING, TOO_DEEP, error_at, loader_of, place_at, text_of_tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yaml.error import Mark

    from watcher.config.yaml.loader import Loader

TOO_LARGE = "its aliases and variables come to far more than the file itself; repeat less with them"

_TEXT_TAG = "tag:yaml.org,2002:str"
_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")

# The bound of scalars that are remembered: keys and values that come again and again are one object.
MAX_REMEMBERED = 10_000
# As many digits as Python reads.
MAX_NUMBER_CHARS = 4300
# What comes again is one object, and costs next to nothing unless it is longer than this.
FREE_CHARS = 4096

_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")

# What stands for a key that is no text in the path to what is wrong below it.
_NO_STEP = "?"
_NO_KEY = "a key must be plain text; put it in quotes"
_ALIAS_AS_KEY = "an alias cannot be a key; write the key itself, or put text that begins with * in quotes"

# The bound of the values that aliases repeat: many for each character of the file, but not so many that a short file
# takes long.
FREE_NODES = 20_000
NODES_PER_CHAR = 4


class ScalarReader:
    """Reads scalars.

    Attributes:
        variables_by_id: the variables that were put in, by the ids of the objects that are text with some.
        refused_places: where there is a variable that cannot be put in.
    """

    def __init__(self, source: str, loader: Loader, variables: Mapping[str, str]) -> None:
        """Begin with nothing remembered.

        Args:
            source: the file's path as the user wrote it, for error lines.
            loader: says which kind of value a text is.
            variables: what `${NAME}` becomes.
        """
        self.variables_by_id: dict[int, frozenset[str]] = {}
        self.refused_places: set[Place] = set()
        self._source = source
        self._loader = loader
        self._interpolator = Interpolator(variables)
        self._remembered: dict[str, Any] = {}
        self._filled: dict[tuple[Any, ...], Any] = {}
        self._refused: dict[tuple[Any, ...], str] = {}
        self._refusals: dict[str, tuple[Mistake, int]] = {}

    @property
    def mistakes(self) -> list[Mistake]:
        """Variables that cannot be put in, each told once, however many values it stands in."""
        return [
            replace(mistake, text=f"{mistake.text} (so in {count} places)") if count > 1 else mistake
            for mistake, count in self._refusals.values()
        ]

    def written(self, event: Any) -> Any:
        """Return the value of a scalar as it is written, dollar signs and all."""
        text = event.value
        is_plain = event.implicit[0]
        if is_plain and text in self._remembered:
            return self._remembered[text]
        value = self._resolved(event, text)
        if is_plain and len(self._remembered) < MAX_REMEMBERED:
            self._remembered[text] = value
        return value

    def filled(self, event: Any, steps: Sequence[str | int]) -> Any:
        """Return the value of a scalar with its variables put in; a plain one may so become a number.

        Args:
            event: the scalar.
            steps: the path at which it stands.
        """
        written = (event.value, event.implicit, event.tag)
        if written in self._filled:
            value = self._filled[written]
            self.charge(size_of_scalar(value), event)
            return value
        if written not in self._refused:
            try:
                value = self._filled[written] = self._resolved(event, self._interpolator.filled(event.value))
            except TooMuchError:
                raise error_at(event, TOO_LARGE) from None
            except ValueError as error:
                self._refused[written] = str(error)
            else:
                # A text of one character is the same object everywhere.
                if isinstance(value, str) and len(value) > 1 and (names := references_in(event.value)):
                    self.variables_by_id[id(value)] = frozenset(names)
                return value
        self._refuse(event, steps, self._refused[written])
        return event.value

    def charge(self, chars: int, event: Any) -> None:
        """Count what a repetition comes to.

        Raises:
            yaml.YAMLError: all of them come to too much.
        """
        try:
            self._interpolator.charge(chars)
        except TooMuchError:
            raise error_at(event, TOO_LARGE) from None

    def _refuse(self, event: Any, steps: Sequence[str | int], text: str) -> None:
        place = place_at(self._source, event.start_mark)
        self.refused_places.add(place)
        first, count = self._refusals.get(text, (None, 0))
        self._refusals[text] = first or Mistake(place, dotted(steps), text), count + 1

    def _resolved(self, event: Any, text: str) -> Any:
        is_plain, is_quoted = event.implicit
        if is_quoted and not is_plain:
            if _HALF_A_CHARACTER.search(text):  # libyaml refuses it as well
                raise error_at(event, "found half a character")
            return text
        tag = event.tag
        if tag in {None, "!"}:
            tag = self._loader.resolve(yaml.ScalarNode, text, event.implicit)
        if tag == _TEXT_TAG:
            return text
        if tag in _NUMBER_TAGS and (len(text) > MAX_NUMBER_CHARS or not self._is_number(text)):
            raise error_at(event, f"this is no {tag.rpartition(':')[2]}")
        return self._loader.construct_object(yaml.ScalarNode(tag, text, event.start_mark))

    def _is_number(self, text: str) -> bool:
        # PyYAML makes one of `!!int 0x5` as well.
        return self._loader.resolve(yaml.ScalarNode, text, (True, False)) in _NUMBER_TAGS


def size_of_scalar(value: Any) -> int:
    """Return what one more of a scalar comes to, in characters."""
    return len(value) if isinstance(value, str) and len(value) > FREE_CHARS else 0


class Extent(NamedTuple):
    """What one more of a value comes to: values, characters, and how deep they are nested."""

    nodes: int
    chars: int
    depth: int


class ValueReader:
    """Reads the one document of a file."""

    def __init__(self, source: str, text: str, variables: Mapping[str, str]) -> None:
        """Begin to read.

        Args:
            source: the file's path as the user wrote it, for error lines.
            text: what stands in it.
            variables: what `${NAME}` in a value becomes.
        """
        self._source = source
        self._loader = loader_of(text)
        self._scalars = ScalarReader(source, self._loader, variables)
        self._mistakes: list[Mistake] = []
        self._left_nodes = FREE_NODES + NODES_PER_CHAR * len(text)
        self._anchors: dict[str, Any] = {}
        self.has_aliases = False  # which may repeat a password elsewhere
        self._unfinished: set[int] = set()
        self._extents: dict[int, Extent] = {}
        self._steps: list[Any] = []  # where in the document the reader is

    @property
    def mistakes(self) -> list[Mistake]:
        """Keys that are written twice, where the last one counts, keys that are no text, which are left out, and
        variables that cannot be put in, where the text stays as it is.
        """
        return [*self._mistakes, *self._scalars.mistakes]

    @property
    def variables_by_id(self) -> dict[int, frozenset[str]]:
        """The variables that were put in, by the ids of the objects in the document that are text with some."""
        return self._scalars.variables_by_id

    @property
    def refused_places(self) -> set[Place]:
        """Where there is a variable that cannot be put in: what follows from it is no mistake of its own."""
        return self._scalars.refused_places

    def document(self) -> Any:
        """Return the document's value, None for a file without one.

        Raises:
            yaml.YAMLError: it is no YAML, it is more than one document, or it comes to more than can be read.
        """
        loader = self._loader
        loader.get_event()  # the start of the stream
        if loader.check_event(yaml.StreamEndEvent):
            return None
        loader.get_event()  # the start of the document
        data = self._value(loader.get_event(), 0)
        loader.get_event()
        if not loader.check_event(yaml.StreamEndEvent):
            raise error_at(loader.get_event(), "there is a second document")
        return data

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            scalars = self._scalars
            value = scalars.filled(event, self._steps) if "$" in event.value else scalars.written(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = value
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
            self._anchors[event.anchor] = collection
            self._unfinished.add(id(collection))
        self._steps.append("")
        if isinstance(collection, dict):
            self._fill_mapping(collection, depth + 1)
        else:
            self._fill_list(collection, depth + 1)
        self._steps.pop()
        self._unfinished.discard(id(collection))
        return collection

    def _repeated(self, event: Any, depth: int) -> Any:
        self.has_aliases = True
        if event.anchor not in self._anchors:
            raise error_at(event, "found undefined alias; put text that begins with * in quotes")
        value = self._anchors[event.anchor]
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
        steps = self._steps
        event = self._loader.get_event()
        while not isinstance(event, yaml.SequenceEndEvent):
            steps[-1] = len(collection)
            collection.append(self._value(event, depth))
            event = self._loader.get_event()

    def _fill_mapping(self, collection: dict[str, Any], depth: int) -> None:
        lines: dict[str, int] = {}
        steps = self._steps
        event = self._loader.get_event()
        while not isinstance(event, yaml.MappingEndEvent):
            key = self._key(event, depth)
            steps[-1] = key if isinstance(key, str) else _NO_STEP
            value = self._value(self._loader.get_event(), depth)
            if not isinstance(key, str):
                is_alias = isinstance(event, yaml.AliasEvent)
                self._complain(event.start_mark, "", _ALIAS_AS_KEY if is_alias else _NO_KEY)
            else:
                if key in lines:
                    text = f"written twice, first in line {lines[key]}; remove one"
                    self._complain(event.start_mark, dotted([key]), text)
                lines.setdefault(key, event.start_mark.line + 1)
                collection[key] = value
            event = self._loader.get_event()

    def _key(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            key = self._scalars.written(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = key
            return key
        key = self._value(event, depth)
        if isinstance(event, yaml.AliasEvent):
            return None  # what it repeats may be a password
        # Keys stand in error lines, where the value of a variable has no business.
        return None if id(key) in self.variables_by_id else key

    def _complain(self, mark: Mark, where: str, text: str) -> None:
        self._mistakes.append(Mistake(place_at(self._source, mark), where, text))
