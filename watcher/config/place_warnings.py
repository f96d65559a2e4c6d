"""Warnings about locations: targets that are not watched where their owner expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.config.mistakes import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.config.env.settings import Settings
    from watcher.config.sources import Source
    from watcher.model.target import Target

    Path = tuple[str | int, ...]


def places_of_no_effect(
    settings: Settings, sources: Sequence[Source], targets: Sequence[Target]
) -> Iterator[tuple[Source, Path, str]]:
    """Yield the `locations` that do not work as written, each with its file and its path there."""
    if not any(target.locations for target in targets):
        return
    home, path = next(_written(sources))
    if settings.postgres_host is None:
        text = "other locations cannot reach the embedded database, so this one decides alone; set POSTGRES_HOST"
        yield home, path, text
    if not any(target.is_watched_at(settings.location) for target in targets):
        text = f"no target is watched here, at WATCHER_LOCATION={shown(settings.location)}; add it, or set another"
        yield home, path, text


def _written(sources: Sequence[Source]) -> Iterator[tuple[Source, Path]]:
    for source in sources:
        if source.defaults.get("locations"):
            yield source, ("defaults", "locations")
        for index, entry in enumerate(source.entries):
            if entry.get("locations"):
                yield source, ("urls", index, "locations")
