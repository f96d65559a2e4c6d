"""Measures how evenly replicas share targets, and how many move when one joins or leaves; by the hashes, no checks."""

from __future__ import annotations

import os
import time
import uuid
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING

import click

from benchmarks.machine import Cores, describe
from benchmarks.showing import show, show_machine, write
from watcher.cluster.assignment import BUCKETS, Assignment, bucket_of

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNTS = (2, 3, 4, 8, 16, 32, 64, 128, 256)
COLUMNS = (
    *("replicas", "targets each", "deviation", "fullest, median", "fullest", "emptiest"),
    *("one joins: moved", "needed", "time"),
)
# As many targets to look up as one daemon may have; the time of more is in proportion.
ASKED = 100_000


@dataclass(frozen=True, slots=True)
class Sharing:
    """The shares of a number of replicas, over several draws of their ids.

    Attributes:
        replicas: their number.
        mean: targets each.
        fullest: the largest share of each draw, in rising order.
        emptiest: the smallest share of all draws.
        joined: how many targets move on average when a replica joins, all of them to it.
        strays: how many move between two replicas that stay; not 0 if the hashing is wrong.
        seconds: processor time to find the owners of all buckets.
    """

    replicas: int
    mean: float
    fullest: tuple[int, ...]
    emptiest: int
    joined: float
    strays: int
    seconds: float


def targets_by_bucket(targets: int) -> array[int]:
    """Count the targets of each bucket.

    Args:
        targets: their number; names are like those of a list of sites.
    """
    counts = array("q", bytes(8 * BUCKETS))
    for number in range(targets):
        counts[bucket_of(f"https://site-{number}.example.org/")] += 1
    return counts


def sharing_of(replicas: int, by_bucket: Sequence[int], draws: int, random: Random) -> Sharing:
    """Draw replicas and share targets among them; then let one more join, and leave.

    Args:
        replicas: their number.
        by_bucket: the number of targets of each bucket.
        draws: their number.
        random: the source of the ids.
    """
    fullest: list[int] = []
    emptiest, joined, strays, seconds = sum(by_bucket), 0, 0, 0.0
    for _ in range(draws):
        *ids, joiner = (uuid.UUID(int=random.getrandbits(128), version=4) for _ in range(replicas + 1))
        began_at = time.process_time()
        before = Assignment.among(ids).owners
        seconds += time.process_time() - began_at
        held = dict.fromkeys(ids, 0)
        for owner, targets in zip(before, by_bucket, strict=True):
            held[owner] += targets
        fullest.append(max(held.values()))
        emptiest = min(emptiest, *held.values())
        after = Assignment.among([*ids, joiner]).owners
        moves = [(new, targets) for old, new, targets in zip(before, after, by_bucket, strict=True) if old != new]
        joined += sum(targets for new, targets in moves if new == joiner)
        strays += sum(targets for new, targets in moves if new != joiner)
    mean = sum(by_bucket) / replicas
    return Sharing(replicas, mean, tuple(sorted(fullest)), emptiest, joined / draws, strays, seconds / draws)


def rows(found: Sequence[Sharing], targets: int) -> list[tuple[str, ...]]:
    """Return the cells of each row, as in COLUMNS."""
    return [
        (
            f"{one.replicas}",
            f"{one.mean:,.0f}",
            f"{((one.replicas - 1) / BUCKETS) ** 0.5:.1%}",
            f"{median(one.fullest) / one.mean - 1:+.1%}",
            f"{one.fullest[-1] / one.mean - 1:+.1%}",
            f"{one.emptiest / one.mean - 1:+.1%}",
            f"{one.joined / targets:.2%}",
            f"{1 / (one.replicas + 1):.2%}",
            f"{one.seconds * 1000:.1f} ms",
        )
        for one in found
    ]


@click.command()
@click.option("--targets", type=int, default=10_000_000, show_default=True)
@click.option("--draws", type=int, default=20, show_default=True, help="Sets of replicas to draw for each count.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
def assignment(targets: int, draws: int, json_file: Path | None, markdown: bool) -> None:
    """Share targets among 2 to 256 replicas by hashes: measure how evenly, and what moves with one more or less.

    Example: python -m benchmarks assignment --targets 10000000
    """
    machine = describe(Cores.of(os.sched_getaffinity(0)))
    began_at = time.process_time()
    by_bucket = targets_by_bucket(targets)
    hashing = (time.process_time() - began_at) / targets
    random = Random(BUCKETS)  # noqa: S311 the same draws in each run
    found = [sharing_of(replicas, by_bucket, draws, random) for replicas in COUNTS]
    if any(one.strays for one in found):
        raise click.ClickException("targets moved between replicas that stay")
    present = Assignment.among([uuid.UUID(int=random.getrandbits(128), version=4) for _ in range(8)])
    names = [f"https://site-{number}.example.org/" for number in range(ASKED)]
    began_at = time.process_time()
    for name in names:
        present.owner_of(name)
    asking = (time.process_time() - began_at) / ASKED
    show(f"{targets:,} targets in {BUCKETS:,} buckets", COLUMNS, rows(found, targets), markdown=markdown)
    seconds = {"a bucket of a name": hashing, "an owner of a name": asking}
    show(
        "hashes",
        ("what", "time"),
        [(what, f"{took * 1e6:.2f} µs") for what, took in seconds.items()],
        markdown=markdown,
    )
    show_machine(machine, markdown=markdown)
    write(json_file, {"machine": machine, "sharing": [asdict(one) for one in found], "seconds": seconds})
