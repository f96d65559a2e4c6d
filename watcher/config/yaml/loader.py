"""How YAML is read: which of its values there are, and at which place something is wrong with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from watcher.config.mistakes import Place

if TYPE_CHECKING:
    from yaml.error import Mark
    from yaml.nodes import Node

# libyaml is some ten times faster, which 100,000 targets notice; the pure parser is for platforms without it.
_BaseLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OMITTED_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp", "merge", "value", "yaml"))
# Decimal numbers, as JSON and YAML 1.2 have them: `1:30`, `010`, `0x5` and `1_0` are text. YAML 1.1 silently takes them
# for 90, 8, 5 and 10.
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

# The bound of the recursion of our readers, and of the one in C when the tree of a file with mistakes is made.
MAX_NESTING = 100
TOO_DEEP = f"is nested more than {MAX_NESTING} deep"


class Loader(_BaseLoader):  # type: ignore[misc]  # chosen at run time
    """Reads scalars as JSON would: no dates (`2026-13-45` raises in PyYAML) and no merge keys (they can explode).

    Of YAML 1.1, `yes`, `no`, `on` and `off` stay booleans.
    """

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # as in PyYAML
        """Make a value; what PyYAML's constructors let through, as for `!!int x`, becomes an error with a place."""
        if node.tag not in self.yaml_constructors:
            raise error_at(node, text_of_tag(node.tag))
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            problem = f"this is no {node.tag.rpartition(':')[2]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OMITTED_TAGS]
    for first, resolvers in _BaseLoader.yaml_implicit_resolvers.items()
}
for _first in "-+.0123456789":
    Loader.yaml_implicit_resolvers[_first] = [*_NUMBERS, *Loader.yaml_implicit_resolvers.get(_first, ())]


def text_of_tag(tag: str) -> str:
    """Say that there is no such tag; only YAML's own are named, another may be a password that begins with `!`."""
    own = f" '{tag}'" if _OWN_TAG.fullmatch(tag) else "; put text that begins with ! in quotes"
    return f"could not determine a constructor for the tag{own}"


def place_at(source: str, mark: Mark | None) -> Place:
    """Return the place of a mark, or the beginning of the file where there is none."""
    return Place(source, 1, 1) if mark is None else Place(source, mark.line + 1, mark.column + 1)


def error_at(event: Any, problem: str) -> yaml.MarkedYAMLError:
    """Return an error about what an event is about."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
