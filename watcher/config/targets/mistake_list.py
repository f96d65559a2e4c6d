"""Collects the mistakes in the config files: each once, with its place, and without the values of variables."""

from __future__ import annotations

from dataclasses import replace
from itertools import starmap
from typing import TYPE_CHECKING

from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place, dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watcher.config.yaml.document import Document


# The bound of reported mistakes: aliases can make a million of them in a short file.
MAX_MISTAKES = 10_000
MORE = "has more mistakes than are reported here; mend these first"


class Mistakes:
    """The mistakes of all config files."""

    def __init__(self, sources: Iterable[str]) -> None:
        """Start without mistakes.

        Args:
            sources: the files, in the order of the report; mistakes outside these files come first.
        """
        # By each mistake, what it is about: what is merged or repeated is wrong wherever it is used.
        self._by_source: dict[str, dict[Mistake, set[str]]] = {source: {} for source in sources}
        self._others: dict[Mistake, set[str]] = {}
        self._firsts: dict[object, Mistake] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return the number of mistakes."""
        return self._count

    def add(self, mistakes: Iterable[Mistake]) -> None:
        """Add complete mistakes."""
        for mistake in mistakes:
            self._by_source.get(mistake.place.source, self._others).setdefault(mistake, set()).add(mistake.where)
            self._count += 1

    def complain(self, document: Document, path: Sequence[str | int], text: str, *, key: bool = False) -> None:
        """Add a mistake at a path of a file.

        Args:
            document: the parsed file.
            path: keys and indexes from its root.
            text: the problem and its remedy.
            key: whether the last key is wrong, not its value.
        """
        if self._count >= MAX_MISTAKES:
            self._by_source[document.source].setdefault(Mistake(Place(document.source), "", MORE), set())
            return
        place = document.place_of(path, key=key)
        if not document.is_refused(place):
            mistake = Mistake(place, dotted(path), document.without_values(path, text))
            first = self._firsts.setdefault((place, *path[-1:], mistake.text), mistake)
            self._by_source[document.source].setdefault(first, set()).add(mistake.where)
            self._count += 1

    def raise_if_any(self) -> None:
        """Raise all mistakes, in the order of the files and their lines.

        Raises:
            ConfigurationError: there is a mistake.
        """
        if len(self):
            files = (self._others, *self._by_source.values())
            raise ConfigurationError(mistake for file in files for mistake in by_place(starmap(_counted, file.items())))


def _counted(mistake: Mistake, wheres: set[str]) -> Mistake:
    count = len(wheres)
    return replace(mistake, text=f"{mistake.text} (so in {count} places)") if count > 1 else mistake
