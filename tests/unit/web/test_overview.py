"""The page of all sites, from values alone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from tests.doubles import MOMENT, a_target, an_outcome
from watcher.history.calendar import day_edges, parts
from watcher.history.uptime import Timeline, Uptime
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Fault, Reason
from watcher.model.state import Flip, Standing, State
from watcher.recording.board import Board
from watcher.reporting.page_history import BAR_DAYS, RowHistory
from watcher.web.pages.charts import heat_map
from watcher.web.pages.glance import glancing
from watcher.web.pages.overview import HEAT_MAP_BEYOND, Overview, overview_page
from watcher.web.pages.rendering import Look
from watcher.web.pages.rows import past_of
from watcher.web.pages.selection import PAGE_ROWS, SORTS, Selection, choosing
from watcher.web.pages.words import verdict
from watcher.web.sites import Sites, keys_of
from watcher.web.standings import Standings

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from watcher.model.target import Target
    from watcher.recording.place_views import PlaceViews
    from watcher.web.pages.glance import Glance
    from watcher.web.pages.selection import Chosen

Result = TypeVar("Result")

SINCE = MOMENT - timedelta(minutes=30)
HOSTILE = ["<script>alert(1)</script>", "\u202egnp.exe", "n" * 500, "a\" onmouseover='x'", "{{ 7 * 7 }}", "a&b\0c"]
# Without a script and a style in the markup, only the page's own can run.
FORBIDDEN_TAGS = {"script", "style", "iframe", "object", "img"}
OWN_SCRIPTS = ("/static/page.js?v=", "/watch/static/page.js?v=")
LINKS = {"href", "src", "action", "formaction", "xlink:href"}
OWN_PATH = re.compile(r"/(?![/\\])|[?#]")


class Markup(HTMLParser):
    """Reads HTML, and keeps the text and what a strict policy forbids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.forbidden: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the start of an element."""
        is_own_script = tag == "script" and str(dict(attrs).get("src")).startswith(OWN_SCRIPTS)
        self.forbidden += [tag] if tag in FORBIDDEN_TAGS and not is_own_script else []
        self.forbidden += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.forbidden += [
            f"{name}={value}" for name, value in attrs if name in LINKS and not OWN_PATH.match(value or "")
        ]

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.text += data


def glance_of(
    targets: Sequence[Target],
    states: dict[str, State] | None = None,
    *,
    public: bool = False,
    detail: str = "",
    seconds: dict[str, float] | None = None,
    views: PlaceViews | None = None,
) -> Glance:
    """Return targets that were checked once; those that are down failed with a status."""
    board = Board()
    for target in targets:
        standing = Standing((states or {}).get(target.name, State.UP), SINCE)
        fault = Fault(Reason.STATUS, detail) if standing.state is State.DOWN else None
        outcome = an_outcome(target.name, duration_seconds=(seconds or {}).get(target.name, 0.143), fault=fault)
        board.place({target.name: standing})
        board.put(Conclusion(outcome, standing))
    return end_of(glancing(Sites.of(targets, public=public), Standings(board, views)))


def end_of(steps: Generator[Any, None, Result]) -> Result:
    """Run all steps, and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("Result", end.value)


def choose(glance: Glance, **query: str) -> Chosen:
    return end_of(choosing(glance, Selection.of(query)))


def page_of(
    glance: Glance,
    histories: dict[str, RowHistory] | None = None,
    look: Look | None = None,
    lost_at: datetime | None = None,
) -> str:
    look = look or Look()
    pasts = {name: past_of(history, with_causes=not look.public) for name, history in (histories or {}).items()}
    return "".join(overview_page(Overview(glance, choose(glance), pasts, lost_at, MOMENT), look))


def a_history(state: State, detail: str) -> RowHistory:
    since = day_edges(MOMENT, BAR_DAYS)[0]
    flips = [
        Flip("Checkout", "default", since, since, State.UP, State.PENDING),
        Flip("Checkout", "default", SINCE, SINCE, state, State.UP, Fault(Reason.STATUS, detail)),
    ]
    timeline = Timeline.of(flips, since=since, until=MOMENT, alive_at=MOMENT)
    return RowHistory(
        Uptime.of(timeline), Uptime.of(timeline), parts(timeline, day_edges(MOMENT, BAR_DAYS)), [1.0, None, 3.0]
    )


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({}, "No sites are watched"),
        ({State.UP: 1}, "The site is up"),
        ({State.DOWN: 1}, "The site is down"),
        ({State.UNKNOWN: 1}, "It is not known whether the site is up"),
        ({State.PENDING: 1}, "The first checks of the site are under way"),
        ({State.PENDING: 48, State.PAUSED: 1}, "The first checks of 48 sites are under way"),
        ({State.UNKNOWN: 2, State.PENDING: 1}, "It is not known whether 3 sites are up"),
        ({State.PENDING: 47, State.UP: 1}, "1 of 48 sites is known to be up"),
        ({State.UP: 48}, "All 48 sites are up"),
        ({State.UP: 1, State.PAUSED: 1}, "The one site that is checked is up"),
        ({State.UP: 46, State.DOWN: 2}, "2 of 48 sites are down"),
        ({State.UP: 46, State.DOWN: 1, State.DEGRADED: 1}, "1 of 48 sites is down"),
        ({State.UP: 47, State.DEGRADED: 1}, "No site is down, 1 of 48 is degraded"),
        ({State.UP: 47, State.MAINTENANCE: 1}, "All 47 sites that are checked are up"),
        ({State.UP: 47, State.UNKNOWN: 1}, "47 of 48 sites are known to be up"),
        ({State.PAUSED: 2}, "No site is checked at present"),
    ],
)
def test_one_sentence_sums_up_all_sites(counts: dict[State, int], sentence: str) -> None:
    assert verdict(counts)[0] == sentence


def test_down_sites_come_first_with_their_reason() -> None:
    targets = [a_target("Front page"), a_target("Checkout", group="shop")]
    html = page_of(glance_of(targets, {"Checkout": State.DOWN}, detail="503 Service Unavailable"))
    page = Markup(html).text
    assert "/static/icon-down.svg?v=" in html
    assert "1 of 2 sites is down" in page
    assert page.index("status: 503 Service Unavailable") < page.index("Front page")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name: str) -> None:
    target = a_target(name, group=name, shown_address=f"http://x/{name}", address="http://x/")
    glance = glance_of([target, a_target("other")], {name: State.DOWN}, detail=name)
    html = page_of(glance, {name: a_history(State.DOWN, name)}, Look(title=name, intro=(name,)))
    page = Markup(html)
    assert page.forbidden == []
    assert glance.sites.all[0].name in page.text
    assert "\u202e" not in html
    assert "49" not in page.text.replace("0.143", "")


def test_the_public_sees_neither_addresses_nor_reasons() -> None:
    secret = "https://inner.example/x"
    targets = [a_target("Shop"), a_target(secret, address=secret, shown_address=secret)]
    glance = glance_of(targets, {secret: State.DOWN}, public=True, detail="503 inner")
    html = page_of(glance, {secret: a_history(State.DOWN, "503 inner")}, Look(public=True))
    assert "inner" not in html
    assert "Site 2" in html
    assert "site-2" in glance.sites.all[1].key


def test_a_history_is_shown_as_the_report_has_it() -> None:
    history = a_history(State.DOWN, "503")
    html = page_of(glance_of([a_target()]), {"Checkout": history})
    assert f"{history.day.percent():.3f} %" in html
    assert "down 30m (status: 503)" in html


def test_a_history_that_cannot_be_read_is_said() -> None:
    assert "The history cannot be read since" in page_of(glance_of([a_target()]), lost_at=SINCE)


def test_many_sites_come_in_pages_and_as_a_heat_map() -> None:
    targets = [a_target(f"site {number:03}", group=f"g{number % 7}") for number in range(HEAT_MAP_BEYOND + 50)]
    glance = glance_of(targets)
    pages = [choose(glance, page=str(page)) for page in (1, 2, 3, 99)]
    assert [len(page.rows) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 50, 50]
    assert {one.site.key for page in pages[:3] for one in page.rows} == {one.key for one in glance.sites.all}
    assert sum(group.total for page in pages[:1] for group in page.groups) >= PAGE_ROWS
    assert 'class="heat"' in page_of(glance)
    assert 'class="heat"' not in page_of(glance_of(targets[:HEAT_MAP_BEYOND]))


def test_every_site_is_a_tile_of_the_heat_map_and_troubled_ones_link_to_their_page() -> None:
    targets = [a_target(f"site {number:03}") for number in range(250)]
    states = {"site 001": State.DOWN, "site 002": State.PAUSED, "site 249": State.DEGRADED}
    glance = glance_of(targets, states)
    svg = str(end_of(heat_map(glance, "/watch")))
    [line] = re.findall('<path class="up" d="([^"]+)"', svg)
    # Each tile is a dash of 8 and a gap of 2, except the last of a line.
    runs = [(0, 4, 1), (30, 4, 97), (0, 14, 100), (0, 24, 49)]
    assert line == "".join(f"M{left} {top}h{count * 10 - 2}" for left, top, count in runs)
    for name, left, top in (("001", 10, 0), ("002", 20, 0), ("249", 490, 20)):
        assert f'href="/watch/targets/_site-{name}"' in svg
        assert f'x="{left}" y="{top}" width="8"' in svg
    assert svg.count("<a ") == 3


@given(query=st.dictionaries(st.sampled_from(["q", "state", "group", "sort", "page"]), st.text(max_size=20)))
def test_an_address_of_a_selection_says_the_same(query: dict[str, str]) -> None:
    """Any query is accepted, and what is written is read back."""
    selection = Selection.of(query)
    assert selection.sort in SORTS
    again = Selection.of(QueryParams(selection.address(page=selection.page)[1:]))
    assert again == selection or any("\ud800" <= char <= "\udfff" for text in query.values() for char in text)


def test_filters_narrow_and_sorts_order() -> None:
    targets = [a_target("Alpha", group="x"), a_target("Beta", group="y"), a_target("gamma", group="x")]
    glance = glance_of(targets, {"gamma": State.DOWN, "Beta": State.DEGRADED}, seconds={"Beta": 3.0, "Alpha": 2.0})

    def names(**query: str) -> list[str]:
        return [one.site.name for one in choose(glance, **query).rows]

    assert names() == ["gamma", "Alpha", "Beta"]
    assert names(sort="name") == ["Alpha", "gamma", "Beta"]
    assert names(sort="slowest") == ["Beta", "Alpha", "gamma"]
    assert names(state="degraded") == ["Beta"]
    assert names(group="x") == ["gamma", "Alpha"]
    assert names(q="ALPH") == ["Alpha"]
    assert names(q="nothing") == []


def test_keys_are_those_of_gatus_and_differ() -> None:
    assert keys_of([("Core", "Front Page/a.b"), (None, " A#b ")]) == ["core_front-page-a-b", "_a-b"]
    keys = keys_of([("g", "a b"), ("g", "a-b"), ("g", "c")])
    assert len(set(keys)) == 3
    assert all(key.startswith("g_a-b-") and len(key) == len("g_a-b-") + 6 for key in keys[:2])


def test_an_outage_across_a_restart_is_shown_from_its_start() -> None:
    glance, began = glance_of([a_target()], {"Checkout": State.DOWN}), SINCE - timedelta(hours=5)
    assert glance.seen(0).since(None) == SINCE
    assert glance.seen(0).since(began) == began
    history = replace(a_history(State.DOWN, "503"), down_since=began)
    assert "down for 5h 30m" in page_of(glance, {"Checkout": history})
