"""YAML to plain values, without the tree of nodes between them that PyYAML makes: it takes ten times their memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from watcher.config.mistakes import Mistake, Place

if TYPE_CHECKING:
    from yaml.error import Mark
    from yaml.nodes import Node

# libyaml is some ten times faster, which 100,000 targets notice; the pure parser is for platforms without it.
_BaseLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OMITTED_TAGS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
_TEXT_TAG = "tag:yaml.org,2002:str"
_COLLECTION_TAGS = (None, "!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")

# The bound of the recursion here, and of the one in C when the tree of a file with mistakes is made.
MAX_NESTING = 100
TOO_DEEP = f"is nested more than {MAX_NESTING} deep"
# The bound of scalars that are remembered: keys and values that come again and again are one object.
MAX_REMEMBERED = 10_000


class Loader(_BaseLoader):  # type: ignore[misc]  # chosen at run time
    """Reads scalars as JSON would: no dates (`2026-13-45` raises in PyYAML) and no merge keys (they can explode)."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # as in PyYAML
        """Make a value; what PyYAML's constructors let through, as for `!!int x`, becomes an error with a place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            problem = f"this is no {node.tag.rpartition(':')[2]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OMITTED_TAGS]
    for first, resolvers in _BaseLoader.yaml_implicit_resolvers.items()
}


def place_at(source: str, mark: Mark | None) -> Place:
    """Return the place of a mark, or the beginning of the file where there is none."""
    return Place(source, 1, 1) if mark is None else Place(source, mark.line + 1, mark.column + 1)


class ValueReader:
    """Reads the one document of a file.

    Attributes:
        mistakes: keys that are written twice, where the last one counts, and keys that are no text, which are left
            out.
    """

    def __init__(self, source: str, text: str) -> None:
        """Begin to read.

        Args:
            source: the file's path as the user wrote it, for error lines.
            text: what stands in it.
        """
        self.mistakes: list[Mistake] = []
        self._source = source
        self._loader = Loader(text)
        self._anchors: dict[str, Any] = {}
        self._remembered: dict[str, Any] = {}

    def document(self) -> Any:
        """Return the document's value, None for a file without one.

        Raises:
            yaml.YAMLError: it is no YAML, or it is more than one document.
        """
        loader = self._loader
        loader.get_event()  # the start of the stream
        if loader.check_event(yaml.StreamEndEvent):
            return None
        loader.get_event()  # the start of the document
        data = self._value(loader.get_event(), 0)
        loader.get_event()
        if not loader.check_event(yaml.StreamEndEvent):
            raise _error("there is a second document", loader.get_event())
        return data

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = value
            return value
        if depth >= MAX_NESTING:
            raise _error(TOO_DEEP, event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _error(f"found undefined alias '{event.anchor}'", event)
            return self._anchors[event.anchor]
        assert isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent))
        if event.tag not in _COLLECTION_TAGS:
            raise _error(f"could not determine a constructor for the tag '{event.tag}'", event)
        collection: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        if event.anchor is not None:
            self._anchors[event.anchor] = collection
        if isinstance(collection, dict):
            self._fill_mapping(collection, depth + 1)
        else:
            self._fill_list(collection, depth + 1)
        return collection

    def _fill_list(self, collection: list[Any], depth: int) -> None:
        event = self._loader.get_event()
        while not isinstance(event, yaml.SequenceEndEvent):
            collection.append(self._value(event, depth))
            event = self._loader.get_event()

    def _fill_mapping(self, collection: dict[str, Any], depth: int) -> None:
        lines: dict[str, int] = {}
        event = self._loader.get_event()
        while not isinstance(event, yaml.MappingEndEvent):
            key = self._value(event, depth)
            value = self._value(self._loader.get_event(), depth)
            if not isinstance(key, str):
                self._complain(event.start_mark, "", "a key must be plain text; put it in quotes")
            else:
                if key in lines:
                    text = f"written twice, first in line {lines[key]}; remove one"
                    self._complain(event.start_mark, key, text)
                lines.setdefault(key, event.start_mark.line + 1)
                collection[key] = value
            event = self._loader.get_event()

    def _scalar(self, event: Any) -> Any:
        value = event.value
        is_plain, is_quoted = event.implicit
        if is_quoted and not is_plain:
            if _HALF_A_CHARACTER.search(value):  # libyaml refuses it as well
                raise _error("found half a character", event)
            return value
        if is_plain and value in self._remembered:
            return self._remembered[value]
        tag = event.tag
        if tag in {None, "!"}:
            tag = self._loader.resolve(yaml.ScalarNode, value, event.implicit)
        if tag != _TEXT_TAG:
            value = self._loader.construct_object(yaml.ScalarNode(tag, value, event.start_mark))
        if is_plain and len(self._remembered) < MAX_REMEMBERED:
            self._remembered[event.value] = value
        return value

    def _complain(self, mark: Mark, where: str, text: str) -> None:
        self.mistakes.append(Mistake(place_at(self._source, mark), where, text))


def _error(problem: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
