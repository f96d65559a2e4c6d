"""YAML to plain values that still know at which line and column each of them stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from yaml.error import Mark
    from yaml.nodes import Node

# libyaml is some ten times faster, which 100,000 targets notice; the pure parser is for platforms without it.
_BaseLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OMITTED_TAGS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
_TEXT_TAG = "tag:yaml.org,2002:str"

# libyaml recurses in C, without the guard that Python has: some ten thousand `[` would end the process.
MAX_NESTING = 100


class _Loader(_BaseLoader):  # type: ignore[misc]  # chosen at run time
    """Reads scalars as JSON would: no dates (`2026-13-45` raises in PyYAML) and no merge keys (they can explode)."""

    _nesting = 0

    def descend_resolver(self, current_node: Node | None, current_index: object) -> None:
        """Count the nesting; both parsers call this before they go into a node."""
        super().descend_resolver(current_node, current_index)
        self._nesting += 1
        if current_node is not None and self._nesting > MAX_NESTING:
            problem = f"is nested more than {MAX_NESTING} deep"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=current_node.start_mark)

    def ascend_resolver(self) -> None:
        """Count the nesting; both parsers call this when they leave a node."""
        super().ascend_resolver()
        self._nesting -= 1

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # as in PyYAML
        """Make a value; what PyYAML's constructors let through, as for `!!int x`, becomes an error with a place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            problem = f"this is no {node.tag.rpartition(':')[2]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OMITTED_TAGS]
    for first, resolvers in _BaseLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document.

    Attributes:
        source: the file's path as the user wrote it.
        data: its plain value: mappings, lists, text, numbers, booleans, None.
        mistakes: keys that are written twice, where the last one counts, and keys that are no text.
    """

    source: str
    data: Any
    mistakes: Sequence[Mistake]
    _root: Node | None

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
        return _place(self.source, mark)


def parse_yaml(source: str, content: bytes) -> Document:
    """Parse one YAML document.

    Args:
        source: the file's path as the user wrote it, for error lines.
        content: the bytes of the file, UTF-8.

    Raises:
        ConfigurationError: it is no YAML.
    """
    text = _decoded(source, content)
    mistakes: list[Mistake] = []
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        mistakes = by_place(_key_mistakes(source, root))
        return Document(source, None if root is None else loader.construct_document(root), mistakes, root)
    except yaml.YAMLError as error:
        # A key that is no text can be the reason why nothing was made of the nodes.
        raise ConfigurationError(mistakes or [_syntax_mistake(source, error)]) from error


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


def _key_mistakes(source: str, root: Node | None) -> Iterator[Mistake]:
    waiting = [] if root is None else [root]
    seen: set[int] = set()  # aliases make the nodes a graph
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            first_lines: dict[str, int] = {}
            for key, value in node.value:
                waiting.append(value)
                if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT_TAG:
                    yield Mistake(_place(source, key.start_mark), "", "a key must be plain text; put it in quotes")
                elif key.value in first_lines:
                    text = f"written twice, first in line {first_lines[key.value]}; remove one"
                    yield Mistake(_place(source, key.start_mark), key.value, text)
                else:
                    first_lines[key.value] = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)


def _syntax_mistake(source: str, error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    return Mistake(_place(source, mark), "", f"is no valid YAML: {problem}; look at this line and the one before")


def _place_after(source: str, before: str) -> Place:
    return Place(source, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _place(source: str, mark: Mark | None) -> Place:
    return Place(source, 1, 1) if mark is None else Place(source, mark.line + 1, mark.column + 1)
