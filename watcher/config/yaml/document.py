"""A YAML document: its plain values, their places, and error texts without secrets."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import yaml

from watcher.config.mistakes import ConfigurationError, Mistake, Place
from watcher.config.yaml.compose import Composer
from watcher.config.yaml.interpolation import references_in
from watcher.config.yaml.loader import TOO_DEEP, place_at
from watcher.config.yaml.quotations import without_anchored, without_values
from watcher.config.yaml.scalars import TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Newer versions of libyaml read ahead, and report deep nesting first.
DEPTH_OF_LIBYAML = "exceeded maximum nesting depth"


class Document:
    """A YAML document.

    Attributes:
        source: the file's path as the user wrote it.
        data: the plain value: mappings, lists, text, numbers, booleans, None.
        mistakes: see `Composer.mistakes`.
    """

    def __init__(self, source: str, text: str, variables: Mapping[str, str]) -> None:
        """Read a document.

        Args:
            source: the file's path as the user wrote it.
            text: the content of the file.
            variables: the values of `${NAME}`, by name.

        Raises:
            yaml.YAMLError: the text is not valid YAML.
        """
        composer = Composer(source, text, variables)
        self._tree = composer.compose()
        self._variables = variables
        self._used = composer.variables
        self._refused_places = composer.refused_places
        self.source = source
        self.data: Any = self._tree.data
        self.mistakes: Sequence[Mistake] = composer.mistakes

    def place_of(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        """Return the place of the value at a path, or of the closest value around it that exists.

        Args:
            path: keys and indexes from the root, as in `("urls", 3, "interval")`.
            key: whether to return the place of the last key instead of its value.
        """
        found = self._tree.find(path)
        return self._tree.place(found.key_mark if key and found.is_whole else found.mark)

    def is_substituted(self, path: Sequence[str | int]) -> bool:
        """Return whether the value at a path is text with a variable filled in."""
        return bool(self.variables_in(path))

    def variables_in(self, path: Sequence[str | int]) -> frozenset[str]:
        """Return the variables in the text at a path."""
        found = self._tree.find(path)
        template = self._tree.templates.get(found.mark, "") if isinstance(found.value, str) else ""
        return frozenset(references_in(template))

    def variables(self) -> frozenset[str]:
        """Return the variables in all texts of the document."""
        return self._used

    def is_refused(self, place: Place) -> bool:
        """Return whether a variable at a place cannot be filled in; other mistakes there are consequences."""
        return place in self._refused_places

    def without_values(self, path: Sequence[str | int], text: str) -> str:
        """Remove the values of variables from an error text; slow the first time.

        Args:
            path: the path of the value; a path below a text, in the place of a mapping, means the text.
            text: the error text.
        """
        found = self._tree.find(path)
        if isinstance(found.value, (dict, list)):
            return text
        if found.mark in self._tree.secret_marks:
            return without_anchored(text, found.value)
        template = self._tree.templates.get(found.mark, "")
        return without_values(text, found.value, template, self._variables) if references_in(template) else text


def parse_yaml(source: str, content: bytes, variables: Mapping[str, str] | None = None) -> Document:
    """Parse one YAML document.

    Args:
        source: the file's path as the user wrote it, for error lines.
        content: the bytes of the file, UTF-8.
        variables: what `${NAME}` in a value becomes; none is set by default.

    Raises:
        ConfigurationError: the content is not valid YAML.
    """
    text = _decoded(source, content)
    try:
        return Document(source, text, variables or {})
    except yaml.YAMLError as error:
        raise ConfigurationError([_syntax_mistake(source, text, error)]) from error


def _decoded(source: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        place = _place_after(source, content[: error.start].decode("utf-8-sig", "replace"))
        raise ConfigurationError([Mistake(place, "", "is not UTF-8; save the file as UTF-8")]) from error
    # The parsers refuse these too, but libyaml does not report the place.
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
    # In `{retries: ${RETRIES}}`, YAML reads the inner braces as a mapping.
    hint = ", and put ${NAME} in quotes where it stands in {} or []" if "${" in line else ""
    return Mistake(place, "", f"is not valid YAML: {problem}; look at this line and the one before{hint}")


def _place_after(source: str, before: str) -> Place:
    return Place(source, before.count("\n") + 1, len(before) - before.rfind("\n"))
