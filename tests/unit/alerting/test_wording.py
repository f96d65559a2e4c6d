"""Titles of messages about many sites name the first ones, and are no longer than a subject may be."""

from __future__ import annotations

import pytest

from watcher.alerting.policy.line import Line
from watcher.alerting.policy.wording import MAX_NAMES_CHARS, title_of
from watcher.model.alerts.notification import Kind
from watcher.model.state import State


def a_line(name: str, state: State = State.DOWN, kind: Kind = Kind.DOWN, location: str = "default") -> Line:
    return Line(kind, name, location, state, State.UP)


FOUR = [a_line(name) for name in ("Cart", "Checkout", "Search", "Shop")]


@pytest.mark.parametrize(
    ("kind", "lines", "title"),
    [
        (Kind.DOWN, FOUR[:1], "Cart is down"),
        (Kind.DOWN, FOUR[:2], "2 sites are down: Cart and Checkout"),
        (Kind.DOWN, FOUR, "4 sites are down: Cart, Checkout, Search and Shop"),
        (
            Kind.DOWN,
            [a_line(f"the site with number {number}") for number in range(3000)],
            "3000 sites are down: the site with number 0, the site with number 1 and 2998 more",
        ),
        (
            Kind.DOWN,
            [a_line("x" * 200, location="fra"), *FOUR],
            f"5 sites are down: {'x' * (MAX_NAMES_CHARS - 1)}… and 4 more",
        ),
        (
            Kind.MIXED,
            [*FOUR, a_line("Wiki", State.UP, Kind.UP, "fra")],
            "5 sites: 4 down, 1 up (Cart, Checkout, Search, Shop and Wiki (fra))",
        ),
        (Kind.REMINDER, FOUR[:2], "2 sites are still down: Cart and Checkout"),
        (Kind.CERTIFICATE, FOUR[:2], "Certificates of 2 sites end soon: Cart and Checkout"),
        (Kind.FLAPPING, FOUR[:2], "2 sites have begun to flap, or are calm again: Cart and Checkout"),
    ],
)
def test_titles(kind: Kind, lines: list[Line], title: str) -> None:
    assert title_of(kind, lines) == title
