"""A YAML document: its plain values, and at which line and column each of them stands."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import yaml

from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place
from watcher.config.yaml.interpolation import references_in
from watcher.config.yaml.loader import TOO_DEEP, loader_of, place_at
from watcher.config.yaml.nodes import root_of
from watcher.config.yaml.places import places_in
from watcher.config.yaml.quotations import secret_ids, without_anchored, without_values
from watcher.config.yaml.values import TOO_LARGE, ValueReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from yaml.nodes import Node

# What newer versions of libyaml say of a nesting that they meet before we do, as they read ahead.
DEPTH_OF_LIBYAML = "exceeded maximum nesting depth"


class Document:
    """A YAML document.

    Attributes:
        source: the file's path as the user wrote it.
        data: its plain value: mappings, lists, text, numbers, booleans, None.
        mistakes: keys that are written twice, where the last one counts, keys that are no text, which are left out, and
            variables that cannot be put in, where the text stays as it is.
    """

    def __init__(self, source: str, text: str, variables: Mapping[str, str]) -> None:
        """Read a text, and keep it for the places.

        Args:
            source: the file's path as the user wrote it.
            text: what stands in it.
            variables: what `${NAME}` in a value becomes.

        Raises:
            yaml.YAMLError: it is no YAML.
        """
        reader = ValueReader(source, text, variables)
        self.source = source
        self.data: Any = reader.document()
        self.mistakes: Sequence[Mistake] = by_place(reader.mistakes)
        self._text = text
        self._variables = variables
        self._variables_by_id = reader.variables_by_id
        self._refused_places = reader.refused_places
        self._has_aliases = reader.has_aliases
        self._pairs: dict[int, dict[Any, tuple[Node, Node]]] = {}  # of the mappings in which a place was looked for

    @cached_property
    def _root(self) -> Node | None:
        # Made only when there is a mistake to tell the place of: it takes more memory than all else together.
        return root_of(loader_of(self._text))

    @cached_property
    def _secret_ids(self) -> set[int]:
        return secret_ids(self._root) if self._has_aliases else set()

    def place_of(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        """Say where the value at a path stands, or the closest thing around it that is there.

        Args:
            path: keys and indexes from the root, as in `("urls", 3, "interval")`.
            key: the place of the last key instead of its value.
        """
        node = self._root
        mark = node.start_mark if node else None
        for depth, step in enumerate(path, start=1):
            pair = self._child(node, step)
            if pair is None:
                break
            node = pair[1]
            mark = pair[0].start_mark if key and depth == len(path) else node.start_mark
        return place_at(self.source, mark)

    def places_of(self, paths: Iterable[tuple[str | int, ...]]) -> dict[tuple[str | int, ...], Place]:
        """Say where the values at some paths stand; unlike `place_of`, this reads the file only up to the last of them.

        Args:
            paths: as for `place_of`, in a document without mistakes.
        """
        return places_in(self.source, self._text, paths)

    def is_substituted(self, path: Sequence[str | int]) -> bool:
        """Say whether the value at a path is text with the value of a variable in it; this takes no time."""
        return bool(self.variables_in(path))

    def variables_in(self, path: Sequence[str | int]) -> frozenset[str]:
        """Return the variables that were put into the text at a path; this takes no time."""
        value = self._value_at(path)
        return self._variables_by_id.get(id(value), frozenset()) if isinstance(value, str) else frozenset()

    def variables(self) -> frozenset[str]:
        """Return the variables that were put into any text of the document."""
        return frozenset().union(*self._variables_by_id.values())

    def is_refused(self, place: Place) -> bool:
        """Say whether a variable at a place could not be put in: what else is wrong there follows from it."""
        return place in self._refused_places

    def without_values(self, path: Sequence[str | int], text: str) -> str:
        """Take the values of variables out of what is said of a value; slow the first time.

        Args:
            path: of the value; what goes on below a text means that, where it stands for a mapping.
            text: what is said.
        """
        node = self._root
        for step in path:
            if isinstance(node, yaml.ScalarNode):
                break
            pair = self._child(node, step)
            node = pair[1] if pair else None
        if not isinstance(node, yaml.ScalarNode):
            return text
        value = self._value_at(path)
        if id(node) in self._secret_ids:
            return without_anchored(text, value)
        return without_values(text, value, node.value, self._variables) if references_in(node.value) else text

    def _child(self, node: Node | None, step: str | int) -> tuple[Node, Node] | None:
        if isinstance(node, yaml.MappingNode):
            # Of a key that is written twice, the last one counts.
            pairs = self._pairs.get(id(node))
            if pairs is None:
                scalars = (pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode))
                pairs = self._pairs[id(node)] = {key.value: (key, value) for key, value in scalars}
            return pairs.get(step)
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            return node.value[step], node.value[step]
        return None

    def _value_at(self, path: Sequence[str | int]) -> Any:
        value = self.data
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list):
                value = value[step] if isinstance(step, int) and step < len(value) else None
        return value


def parse_yaml(source: str, content: bytes, variables: Mapping[str, str] | None = None) -> Document:
    """Parse one YAML document.

    Args:
        source: the file's path as the user wrote it, for error lines.
        content: the bytes of the file, UTF-8.
        variables: what `${NAME}` in a value becomes; none is set by default.

    Raises:
        ConfigurationError: it is no YAML.
    """
    text = _decoded(source, content)
    try:
        return Document(source, text, variables or {})
    except yaml.YAMLError as error:
        raise ConfigurationError([_syntax_mistake(source, text, error)]) from error


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


def _syntax_mistake(source: str, text: str, error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    if problem == TOO_LARGE:
        return Mistake(place_at(source, mark), "", TOO_LARGE)
    if problem == DEPTH_OF_LIBYAML:
        problem = TOO_DEEP
    place = place_at(source, mark)
    line = next(islice(text.splitlines(), (place.line or 1) - 1, None), "")
    # YAML takes the braces of `{retries: ${RETRIES}}` for its own.
    hint = ", and put ${NAME} in quotes where it stands in {} or []" if "${" in line else ""
    return Mistake(place, "", f"is no valid YAML: {problem}; look at this line and the one before{hint}")


def _place_after(source: str, before: str) -> Place:
    return Place(source, before.count("\n") + 1, len(before) - before.rfind("\n"))
