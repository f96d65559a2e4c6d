"""Reads the scalars of YAML: text with variables filled in, numbers, booleans and null."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from watcher.config.mistakes import Mistake, Place, dotted
from watcher.config.yaml.interpolation import Interpolator, TooMuchError, references_in
from watcher.config.yaml.loader import Loader, error_at, place_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOO_LARGE = "its aliases and variables come to far more than the file itself; repeat less with them"

_TEXT_TAG = "tag:yaml.org,2002:str"
_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")

# The bound of remembered scalars: keys and values that are often repeated become one object.
MAX_REMEMBERED = 10_000
# As many digits as Python reads.
MAX_NUMBER_CHARS = 4300
# A repeated scalar is one object, and costs next to nothing unless it is longer than this.
FREE_CHARS = 4096


class ScalarReader:
    """Reads scalars.

    Attributes:
        variables: the names of the variables in filled-in text.
        refused_places: the places of variables that cannot be filled in.
    """

    def __init__(self, source: str, loader: Loader, variables: Mapping[str, str]) -> None:
        """Start without remembered scalars.

        Args:
            source: the file's path as the user wrote it, for error lines.
            loader: resolves the kind of a plain scalar.
            variables: the values of `${NAME}`, by name.
        """
        self.variables: set[str] = set()
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
        """Variables that cannot be filled in, each reported once for all its values."""
        return [
            replace(mistake, text=f"{mistake.text} (so in {count} places)") if count > 1 else mistake
            for mistake, count in self._refusals.values()
        ]

    def unfilled(self, event: Any) -> Any:
        """Return the value of a scalar without filling in variables."""
        text = event.value
        is_plain = event.implicit[0]
        if is_plain and text in self._remembered:
            return self._remembered[text]
        value = self._resolved(event, text)
        if is_plain and len(self._remembered) < MAX_REMEMBERED:
            self._remembered[text] = value
        return value

    def filled(self, event: Any, steps: Sequence[str | int]) -> Any:
        """Return the value of a scalar with its variables filled in; a plain scalar may become a number.

        Args:
            event: the scalar.
            steps: its path.
        """
        cache_key = (event.value, event.implicit, event.tag)
        if cache_key in self._filled:
            value = self._filled[cache_key]
            self.charge(size_of_scalar(value), event)
            return value
        if cache_key not in self._refused:
            try:
                value = self._filled[cache_key] = self._resolved(event, self._interpolator.filled(event.value))
            except TooMuchError:
                raise error_at(event, TOO_LARGE) from None
            except ValueError as error:
                self._refused[cache_key] = str(error)
            else:
                # One character is not a secret.
                if isinstance(value, str) and len(value) > 1:
                    self.variables |= references_in(event.value)
                return value
        self._refuse(event, steps, self._refused[cache_key])
        return event.value

    def charge(self, chars: int, event: Any) -> None:
        """Count the characters of a repetition.

        Raises:
            yaml.YAMLError: all repetitions together are too long.
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
        if is_plain and text[:1] not in Loader.yaml_implicit_resolvers:
            return text
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
            raise error_at(event, f"this is not a valid {tag.rpartition(':')[2]}")
        return self._loader.construct_object(yaml.ScalarNode(tag, text, event.start_mark))

    def _is_number(self, text: str) -> bool:
        # PyYAML also accepts `!!int 0x5`.
        return self._loader.resolve(yaml.ScalarNode, text, (True, False)) in _NUMBER_TAGS


def size_of_scalar(value: Any) -> int:
    """Return the length in characters of one more copy of the scalar."""
    return len(value) if isinstance(value, str) and len(value) > FREE_CHARS else 0
