"""Where values stand in a YAML document, without the tree of all its nodes: only what is on the way is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from watcher.config.yaml.loader import loader_of, place_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from yaml.error import Mark

    from watcher.config.mistakes import Place

Path = tuple["str | int", ...]


class _Marked(NamedTuple):
    """A value: where it is, its text if it is a scalar, and those of the values in it that may be asked for."""

    mark: Mark
    text: str | None
    children: dict[str | int, _Marked]


def places_in(source: str, text: str, paths: Iterable[Path]) -> dict[Path, Place]:
    """Find the places of several values in one pass, which ends at the last of them.

    Args:
        source: the file's path as the user wrote it.
        text: YAML without mistakes.
        paths: keys and indexes from the root, as in `("urls", 3, "interval")`.

    Returns:
        by path, the place of the value, or of the closest thing around it that is there.
    """
    paths = list(paths)
    root = _Finder(text, paths).root()
    return {path: place_at(source, _mark_at(root, path)) for path in paths}


def _mark_at(marked: _Marked | None, path: Path) -> Mark | None:
    mark = None
    if marked is not None:
        mark = marked.mark
        for step in path:
            marked = marked.children.get(step)
            if marked is None:
                break
            mark = marked.mark
    return mark


class _Finder:
    """Reads events, and keeps those on the way to the paths; what has an anchor is kept whole."""

    def __init__(self, text: str, paths: Iterable[Path]) -> None:
        self._loader = loader_of(text)
        self._anchors: dict[str | None, _Marked] = {}
        self._wanted: dict[Any, Any] = {}
        for path in paths:
            inner = self._wanted
            for step in path:
                inner = inner.setdefault(step, {})
        self._left = _count_of_leaves(self._wanted)

    def root(self) -> _Marked | None:
        self._loader.get_event()  # the start of the stream
        if self._loader.check_event(yaml.StreamEndEvent):
            return None
        self._loader.get_event()  # the start of the document
        return self._marked(self._loader.get_event(), self._wanted, whole=False)

    def _marked(self, event: Any, wanted: dict[Any, Any] | None, *, whole: bool) -> _Marked:
        """Read a value, as far as is needed.

        Args:
            event: the first of it.
            wanted: the steps into it that are wanted; without one, it is wanted itself; None: it is only kept.
            whole: whether all that is in it is to be kept.
        """
        if isinstance(event, yaml.AliasEvent):
            self._left -= _count_of_leaves(wanted)
            return self._anchors[event.anchor]
        marked = _Marked(event.start_mark, event.value if isinstance(event, yaml.ScalarEvent) else None, {})
        if event.anchor is not None:
            self._anchors[event.anchor] = marked
            whole = True
        for step, child in self._parts(event):
            inner = wanted.get(step) if wanted else None
            if whole or inner is not None:
                marked.children[step] = self._marked(child, inner, whole=whole)
            else:
                self._skip(child)
            if not self._left:
                break
        if wanted == {}:
            self._left -= 1
        return marked

    def _parts(self, event: Any) -> Iterator[tuple[str | int, Any]]:
        """Yield what is in a list or a mapping: the step to it, and its first event; the rest is for the caller."""
        get_event = self._loader.get_event
        if isinstance(event, yaml.SequenceStartEvent):
            index = 0
            while not isinstance(child := get_event(), yaml.SequenceEndEvent):
                yield index, child
                index += 1
        elif isinstance(event, yaml.MappingStartEvent):
            while not isinstance(key := get_event(), yaml.MappingEndEvent):
                text = self._marked(key, None, whole=False).text
                yield text or "", get_event()

    def _skip(self, event: Any) -> None:
        """Read a value that nobody asks for, but for what has an anchor in it."""
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.NodeEvent) and event.anchor and not isinstance(event, yaml.AliasEvent):
                self._marked(event, None, whole=True)
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            if not depth:
                return
            event = self._loader.get_event()


def _count_of_leaves(wanted: dict[Any, Any] | None) -> int:
    if wanted is None:
        return 0
    return sum(map(_count_of_leaves, wanted.values())) if wanted else 1
