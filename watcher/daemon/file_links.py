"""How files are reached: the links on the way, and where to listen so as to hear of a change of any of them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# A configuration may name thousands of secrets, the system allows some thousand watches. The rest is still heard by
# way of the folders, which tell all but what is written from elsewhere into a file that is mounted alone.
MAX_FILES_LISTENED_TO = 500
MAX_LINKS = 40

MODIFIED = 2


@dataclass(frozen=True, slots=True)
class Ways:
    """How files are reached.

    Attributes:
        names: every link on the way, and the end of it.
        folders: the ends that are folders.
        places: what to listen at, each with its device and number: a folder of the same name may be another.
    """

    names: frozenset[str]
    folders: frozenset[str]
    places: Mapping[str, tuple[int, int]]

    def concern(self, kind: int, path: str) -> bool:
        """Tell whether a path to which something happened may matter; `kind` is a number of watchfiles.Change."""
        return path in self.names or (kind != MODIFIED and os.path.dirname(path) in self.folders)  # noqa: PTH120


def ways_to(paths: Iterable[Path]) -> Ways:
    """Follow the ways to some files, as they are now; what cannot be reached has no place to listen at."""
    names: dict[str, None] = {}
    ends: dict[str, None] = {}
    for path in paths:
        *links, end = _way_to(path)
        names.update(dict.fromkeys([*links, end]))
        ends[end] = None
    folders = frozenset(end for end in ends if os.path.isdir(end))  # noqa: PTH112  # that of pathlib may raise
    alone = [end for end in ends if end not in folders][:MAX_FILES_LISTENED_TO]
    places = {}
    for place in dict.fromkeys([*(str(Path(name).parent) for name in names), *sorted(folders), *alone]):
        try:
            status = Path(place).stat()
        except (OSError, ValueError):
            continue
        is_either = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if is_either and os.access(place, os.R_OK):
            places[place] = (status.st_dev, status.st_ino)
    return Ways(frozenset(names), folders, places)


def _way_to(path: Path) -> Iterator[str]:
    """Yield each link on the way to a file and then its end, all with the real path of their folder."""
    done, rest, links = Path(path.absolute().anchor), list(reversed(path.absolute().parts[1:])), 0
    while rest:
        part = rest.pop()
        if part == "..":
            done = done.parent
            continue
        step = done / part
        try:
            target = step.readlink()
        except (OSError, ValueError):  # no link, or not there
            done = step
            continue
        yield str(step)
        links += 1
        if links > MAX_LINKS:
            break
        done = Path(target.anchor) if target.is_absolute() else done
        rest.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
    yield str(done)
