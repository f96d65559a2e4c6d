"""The tree of a document, whose nodes know their places; an anchor may be written twice, which PyYAML refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml.nodes import Node

    from watcher.config.yaml.loader import Loader


def root_of(loader: Loader) -> Node | None:
    """Make the tree of a document that `ValueReader` has read: it is YAML, and neither too deep nor endless.

    Args:
        loader: at its beginning.

    Returns:
        the root, without tags; None for a file without a document.
    """
    loader.get_event()  # the start of the stream
    if loader.check_event(yaml.StreamEndEvent):
        return None
    loader.get_event()  # the start of the document
    return _node(loader, loader.get_event(), {})


def _node(loader: Loader, event: Any, anchors: dict[str, Node]) -> Node:
    mark: Any = event.start_mark
    if isinstance(event, yaml.AliasEvent):
        return anchors[event.anchor or ""]
    if isinstance(event, yaml.ScalarEvent):
        return _noted(event, yaml.ScalarNode("", event.value, mark), anchors)
    if isinstance(event, yaml.SequenceStartEvent):
        node = _noted(event, yaml.SequenceNode("", [], mark), anchors)
        while not isinstance(part := loader.get_event(), yaml.SequenceEndEvent):
            node.value.append(_node(loader, part, anchors))
    else:
        node = _noted(event, yaml.MappingNode("", [], mark), anchors)
        while not isinstance(part := loader.get_event(), yaml.MappingEndEvent):
            node.value.append((_node(loader, part, anchors), _node(loader, loader.get_event(), anchors)))
    return node


def _noted(event: Any, node: Node, anchors: dict[str, Node]) -> Node:
    if event.anchor is not None:
        anchors[event.anchor] = node  # from here on in the place of one before, see YAML 1.2.2, 3.2.2.2
    return node
