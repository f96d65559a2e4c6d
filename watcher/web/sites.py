"""Targets as a viewer may see them: keys for paths, names, and fields hidden from the public; pure."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from watcher.text.escaping import one_line
from watcher.web.public_names import shown_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from watcher.model.target import Target

MAX_NAME_CHARS = 500
HASH_DIGITS = 6

_TO_DASHES = str.maketrans(dict.fromkeys(" /_,.#+&", "-"))


@dataclass(frozen=True, slots=True)
class Site:
    """A target as a viewer may see it.

    Attributes:
        key: for its paths; must be quoted there.
        name: as shown, safe in one line; "Site 3" in public if the name is an address.
        group: as shown; None without a group.
        address: without its secrets; None in public.
        target: its real name, for lookups; never shown as it is.
        interval_seconds: between two checks.
        locations: the locations that decide its state together; empty where each decides for itself.
    """

    key: str
    name: str
    group: str | None
    address: str | None
    target: str
    interval_seconds: float
    locations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sites:
    """All sites that a viewer may see.

    Attributes:
        all: in the order of the configuration.
        by_key, by_name: the indices of all sites in `all`, in the order of their keys and of their names.
        groups: the names of all groups, in order.
        with_locations: the indices in `all` of sites that have `locations`.
    """

    all: tuple[Site, ...]
    by_key: Sequence[int]
    by_name: Sequence[int]
    groups: Sequence[str]
    with_locations: Sequence[int] = ()

    @classmethod
    def of(cls, targets: Iterable[Target], *, public: bool, groups: Collection[str] | None = None) -> Sites:
        """Build the sites of targets.

        Args:
            targets: in the order of the configuration, which gives their public numbers.
            public: whether addresses stay hidden.
            groups: the groups that the public sees, None for all.
        """
        all_targets = list(targets)

        def named() -> Iterator[tuple[Target, str]]:
            return shown_names(all_targets, sees_all=not public, public_groups=groups)

        keys = keys_of((target.group, name) for target, name in named())
        sites = tuple(
            Site(
                key,
                one_line(name, MAX_NAME_CHARS),
                one_line(target.group, MAX_NAME_CHARS) if target.group else None,
                None if public else one_line(target.shown_address, MAX_NAME_CHARS),
                target.name,
                target.interval_seconds,
                target.locations,
            )
            for (target, name), key in zip(named(), keys, strict=True)
        )
        by_key = array("I", sorted(range(len(sites)), key=lambda place: sites[place].key))
        by_name = array("I", sorted(range(len(sites)), key=lambda place: sites[place].name.casefold()))
        with_locations = array("I", [index for index, site in enumerate(sites) if site.locations])
        return cls(sites, by_key, by_name, sorted({site.group for site in sites if site.group}), with_locations)

    def with_key(self, key: str) -> Site | None:
        """Return the site with a key; None if there is none."""
        place = bisect_left(self.by_key, key, key=self._key)
        site = self.all[self.by_key[place]] if place < len(self.by_key) else None
        return site if site is not None and site.key == key else None

    def with_locations_among(self, first: int, end: int) -> Sequence[int]:
        """Return the indices in `all` of sites with `locations`, from `first` on and before `end`."""
        indices = self.with_locations
        return indices[bisect_left(indices, first) : bisect_left(indices, end)]

    def after_key(self, key: str) -> Iterator[Site]:
        """Yield the sites after a key, in the order of their keys."""
        for place in self.by_key[bisect_right(self.by_key, key, key=self._key) :]:
            yield self.all[place]

    def _key(self, place: int) -> str:
        return self.all[place].key


def target_path(root: str, key: str) -> str:
    """Return the path of a target's page."""
    return f"{root}/targets/{quote(key, safe='', errors='replace')}"


def keys_of(names: Iterable[tuple[str | None, str]]) -> list[str]:
    """Return the keys of targets, as Gatus builds them; keys that collide get a hash of the name.

    Args:
        names: the group, or None, and the name of each target.
    """
    pairs = list(names)
    plain = [f"{_sanitized(group or '')}_{_sanitized(name)}" for group, name in pairs]
    often = Counter(plain)
    return [key if often[key] == 1 else f"{key}-{_digest(name)}" for key, (_, name) in zip(plain, pairs, strict=True)]


def _sanitized(text: str) -> str:
    return one_line(text, MAX_NAME_CHARS).strip().lower().translate(_TO_DASHES)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:HASH_DIGITS]
