"""Which scalars of a YAML document may be secrets because of where aliases repeat them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from watcher.config.schema.secret_keys import harmless_key

if TYPE_CHECKING:
    from yaml.nodes import Node

_Seen = set[tuple[int, str | None]]
_FILE = ""  # the key of what is in no mapping


def secret_ids(root: Node | None) -> set[int]:
    """Return the ids of the scalars that stand where a secret may, at one at least of the places that they stand at.

    Args:
        root: of a document without endless aliases, which is at most `MAX_NESTING` deep.
    """
    found: set[int] = set()
    if root is not None:
        _look_into(root, _FILE, found, set())
    return found


def _look_into(node: Node, key: str | None, found: set[int], seen: _Seen) -> None:
    """Look at a value.

    Args:
        node: the value.
        key: the known key that it stands at; None where what stands in it may be a secret.
        found: takes the ids of secrets.
        seen: what was looked at before, each with its key: aliases can make millions of a few.
    """
    if (id(node), key) in seen:
        return
    seen.add((id(node), key))
    if isinstance(node, yaml.ScalarNode):
        if key is None:
            found.add(id(node))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _look_into(value, key, found, seen)
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            is_told = key is not None and isinstance(name, yaml.ScalarNode)
            _look_into(value, harmless_key(name.value, key or None) if is_told else None, found, seen)
