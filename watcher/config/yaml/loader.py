"""Which values YAML has, and the places of its errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from watcher.config.mistakes import Place

if TYPE_CHECKING:
    from yaml.error import Mark
    from yaml.nodes import Node

# libyaml is some ten times faster, which matters for 100,000 targets; the pure parser is for platforms without it.
_BaseLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OMITTED_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp", "merge", "value", "yaml"))
# Decimal numbers, as in JSON and YAML 1.2: `1:30`, `010`, `0x5` and `1_0` are text. YAML 1.1 silently reads 90, 8, 5
# and 10.
_DIGITS = "(?:0|[1-9][0-9]*)"
_EXPONENT = "(?:[eE][-+]?[0-9]+)"
_NUMBERS = (
    ("tag:yaml.org,2002:int", re.compile(f"[-+]?{_DIGITS}\\Z")),
    (
        "tag:yaml.org,2002:float",
        re.compile(
            rf"[-+]?(?:{_DIGITS}(?:\.[0-9]*{_EXPONENT}?|{_EXPONENT})|\.[0-9]+{_EXPONENT}?|\.(?:inf|Inf|INF))\Z"
            r"|\.(?:nan|NaN|NAN)\Z"
        ),
    ),
)

_OWN_TAG = re.compile(r"tag:yaml\.org,2002:(?:binary|omap|pairs|set|seq|map|timestamp|merge|value|yaml|python/.*)")

# Two escapes that are one character in JSON, after any escaped backslashes.
_HIGH_HALF = re.compile(r"\\u[dD][89abAB]")
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

# In quotes, it is a key like any other.
MERGE_KEY = "<<"

# The bound of the recursion of our readers.
MAX_NESTING = 100
TOO_DEEP = f"is nested more than {MAX_NESTING} deep"


class Loader(_BaseLoader):  # type: ignore[misc]  # chosen at run time
    """Reads scalars as JSON does: without dates (PyYAML raises at `2026-13-45`); the composer resolves merge keys.

    `yes`, `no`, `on` and `off` are booleans, as in YAML 1.1.
    """

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # as in PyYAML
        """Construct a value; exceptions of PyYAML's constructors, as for `!!int x`, become errors with a place."""
        if node.tag not in self.yaml_constructors:
            raise error_at(node, text_of_tag(node.tag))
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            problem = f"this is not a valid {node.tag.rpartition(':')[2]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error


class _PairLoader(Loader):
    """Restores the escapes that `loader_of` has replaced."""

    def __init__(self, text: str, stand_in: str) -> None:
        super().__init__(text)
        self._pair = re.compile(f"{stand_in}u(....){stand_in}u(....)")
        self._stand_in = stand_in

    def get_event(self) -> Any:  # as in PyYAML
        """Return the next event; in double quotes a pair is the character, elsewhere it is text."""
        event = super().get_event()
        if isinstance(event, yaml.ScalarEvent) and self._stand_in in event.value:
            if event.style == '"':
                event.value = self._pair.sub(_character_of, event.value)
            else:
                event.value = event.value.replace(self._stand_in, "\\")
        return event


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OMITTED_TAGS]
    for first, resolvers in _BaseLoader.yaml_implicit_resolvers.items()
}
for _first in "-+.0123456789":
    Loader.yaml_implicit_resolvers[_first] = [*_NUMBERS, *Loader.yaml_implicit_resolvers.get(_first, ())]


def loader_of(text: str) -> Loader:
    """Return a loader of a text that may have JSON's pairs of escapes for one character.

    libyaml refuses such pairs. So a private character replaces their backslashes, which moves nothing in the text.

    Args:
        text: the whole document.
    """
    if _HIGH_HALF.search(text):
        stand_in = next((private for private in map(chr, range(0xE000, 0xF900)) if private not in text), "\\")
        text, count = _PAIR.subn(rf"\1{stand_in}u\2{stand_in}u\3", text)
        if count and stand_in != "\\":
            return _PairLoader(text, stand_in)
    return Loader(text)


def _character_of(pair: re.Match[str]) -> str:
    """Return the character of two surrogates, see RFC 8259, 7."""
    return (bytes.fromhex(pair[1]) + bytes.fromhex(pair[2])).decode("utf-16-be")


def text_of_tag(tag: str) -> str:
    """Return the error text of an unknown tag; it names only YAML's own, since another may be a password with `!`."""
    own = f" '{tag}'" if _OWN_TAG.fullmatch(tag) else "; put text that begins with ! in quotes"
    return f"could not determine a constructor for the tag{own}"


def place_at(source: str, mark: Mark | None) -> Place:
    """Return the place of a mark, or the start of the file without a mark."""
    return Place(source, 1, 1) if mark is None else Place(source, mark.line + 1, mark.column + 1)


def error_at(event: Any, problem: str) -> yaml.MarkedYAMLError:
    """Return an error at the place of an event."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
