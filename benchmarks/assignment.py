"""Measures how evenly replicas share targets, and how many move when one joins or leaves; by the hashes, no checks."""

import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from statistics import median

import click

from benchmarks.showing import Table, benchmark, option
from watcher.cluster.assignment import BUCKETS, Assignment, bucket_of

COUNTS = (2, 3, 4, 8, 16, 32, 64, 128, 256)
HEAD = (
    "replicas {} | targets each {:,.0f} | deviation {:.1%} | fullest, median {:+.1%} | fullest {:+.1%} | "
    "emptiest {:+.1%} | one joins: moved {:.2%} | needed {:.2%} | time {:.1f} ms"
)
# As many targets to look up as one daemon may have; the time of more is in proportion.
ASKED = 100_000


@benchmark(pinned=False)
@option("--targets", default=10_000_000)
@option("--draws", default=20, help="Sets of replicas to draw for each count.")
def assignment(targets: int, draws: int) -> Iterator[Table]:
    """Share targets among 2 to 256 replicas by hashes: measure how evenly, and what moves with one more or less.

    Example: python -m benchmarks assignment --targets 10000000
    """
    began_at = time.process_time()
    buckets = Counter(bucket_of(_name(number)) for number in range(targets))
    hashing = (time.process_time() - began_at) / targets
    by_bucket = [buckets[number] for number in range(BUCKETS)]
    random = Random(BUCKETS)  # noqa: S311 the same draws in each run
    rows = [sharing(replicas, by_bucket, draws, random) for replicas in COUNTS]
    present = Assignment.among(_ids(8, random))
    names = [_name(number) for number in range(ASKED)]
    began_at = time.process_time()
    for name in names:
        present.owner_of(name)
    asking = (time.process_time() - began_at) / ASKED
    yield Table(f"{targets:,} targets in {BUCKETS:,} buckets", HEAD, rows)
    times = [("a bucket of a name", hashing * 1e6), ("an owner of a name", asking * 1e6)]
    yield Table("hashes", "what {} | time {:.2f} µs", times)


def sharing(replicas: int, by_bucket: Sequence[int], draws: int, random: Random) -> tuple[float, ...]:
    """Draw replicas and share the targets of each bucket among them, then let one more join; return a row of HEAD."""
    targets = sum(by_bucket)
    fullest, emptiest, joined, seconds = [], targets, 0, 0.0
    for _ in range(draws):
        *ids, joiner = _ids(replicas + 1, random)
        began_at = time.process_time()
        before = Assignment.among(ids).owners
        seconds += time.process_time() - began_at
        held = dict.fromkeys(ids, 0)
        for owner, count in zip(before, by_bucket, strict=True):
            held[owner] += count
        fullest.append(max(held.values()))
        emptiest = min(emptiest, *held.values())
        for old, new, count in zip(before, Assignment.among([*ids, joiner]).owners, by_bucket, strict=True):
            if new == joiner:
                joined += count
            elif new != old:
                raise click.ClickException("targets moved between replicas that stay")
    mean = targets / replicas
    deviation = ((replicas - 1) / BUCKETS) ** 0.5
    shares = (part / mean - 1 for part in (median(fullest), max(fullest), emptiest))
    return replicas, mean, deviation, *shares, joined / draws / targets, 1 / (replicas + 1), seconds / draws * 1000


def _ids(count: int, random: Random) -> list[uuid.UUID]:
    return [uuid.UUID(int=random.getrandbits(128), version=4) for _ in range(count)]


def _name(number: int) -> str:
    return f"https://site-{number}.example.org/"
