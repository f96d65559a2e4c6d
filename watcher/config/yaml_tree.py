"""A YAML document: its plain values, and at which line and column each of them stands."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place
from watcher.config.yaml_values import TOO_DEEP, Loader, ValueReader, place_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yaml.nodes import Node

# What newer versions of libyaml say of a nesting that they meet before we do, as they read ahead.
DEPTH_OF_LIBYAML = "exceeded maximum nesting depth"


class Document:
    """A YAML document.

    Attributes:
        source: the file's path as the user wrote it.
        data: its plain value: mappings, lists, text, numbers, booleans, None.
        mistakes: keys that are written twice, where the last one counts, and keys that are no text, which are left
            out.
    """

    def __init__(self, source: str, text: str, data: Any, mistakes: Sequence[Mistake]) -> None:
        """Keep the text, for the places."""
        self.source = source
        self.data = data
        self.mistakes = mistakes
        self._text = text

    @cached_property
    def _root(self) -> Node | None:
        # Made only when there is a mistake to tell the place of: it takes more memory than all else together.
        root: Node | None = Loader(self._text).get_single_node()
        return root

    def place_of(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        """Say where the value at a path stands, or the closest thing around it that is there.

        Args:
            path: keys and indexes from the root, as in `("urls", 3, "interval")`.
            key: the place of the last key instead of its value.
        """
        node = self._root
        mark = node.start_mark if node else None
        for step in path:
            pair = _child(node, step)
            if pair is None:
                break
            node = pair[1]
            mark = pair[0].start_mark if key and step == path[-1] else node.start_mark
        return place_at(self.source, mark)


def parse_yaml(source: str, content: bytes) -> Document:
    """Parse one YAML document.

    Args:
        source: the file's path as the user wrote it, for error lines.
        content: the bytes of the file, UTF-8.

    Raises:
        ConfigurationError: it is no YAML.
    """
    text = _decoded(source, content)
    try:
        reader = ValueReader(source, text)
        data = reader.document()
    except yaml.YAMLError as error:
        raise ConfigurationError([_syntax_mistake(source, error)]) from error
    return Document(source, text, data, by_place(reader.mistakes))


def _decoded(source: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place_after(source, content[: error.start].decode("utf-8-sig", "replace"))
        raise ConfigurationError([Mistake(place, "", "is not UTF-8; save the file as UTF-8")]) from error
    # The parsers refuse these as well, but libyaml does not say where they stand.
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        place = _place_after(source, text[: control.start()])
        raise ConfigurationError([Mistake(place, "", f"has the control character U+{ord(control[0]):04X}; remove it")])
    return text


def _child(node: Node | None, step: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in reversed(node.value) if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _syntax_mistake(source: str, error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    if problem == DEPTH_OF_LIBYAML:
        problem = TOO_DEEP
    return Mistake(place_at(source, mark), "", f"is no valid YAML: {problem}; look at this line and the one before")


def _place_after(source: str, before: str) -> Place:
    return Place(source, before.count("\n") + 1, len(before) - before.rfind("\n"))
