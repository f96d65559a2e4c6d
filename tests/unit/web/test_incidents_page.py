"""The page of incidents and its feed, from values alone."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import pytest

from tests.doubles import MOMENT, a_target
from tests.unit.web.test_overview import HOSTILE, SINCE, Markup
from watcher.history.incidents import Flapping, Incident
from watcher.model.outcome import Fault, Reason
from watcher.web.pages.incident_selection import IncidentSelection
from watcher.web.pages.incidents import IncidentsView, feed_atom, incidents_page, told_of
from watcher.web.pages.rendering import Look
from watcher.web.sites import Sites

ATOM = "{http://www.w3.org/2005/Atom}"


def a_view(text: str, *, public: bool = False) -> IncidentsView:
    [site] = Sites.of([a_target(text, group=text)], public=public).all
    entries: list[Incident | Flapping] = [
        Incident(SINCE, None, MOMENT, 1800.0, Fault(Reason.STATUS, f"cause {text}")),
        Flapping(SINCE - timedelta(hours=1), SINCE, 8),
    ]
    told = [told_of(site, entry, public=public) for entry in entries]
    return IncidentsView(told, 2, IncidentSelection(group=text), [site.group or ""], None, MOMENT)


@pytest.mark.parametrize("text", ["Checkout", *HOSTILE])
def test_text_about_outages_is_not_markup(text: str) -> None:
    html = "".join(incidents_page(a_view(text), Look()))
    assert Markup(html).forbidden == []
    assert "\u202e" not in html
    assert "30m, ongoing" in html
    assert "8 flips" in html
    feed = ET.fromstring("".join(feed_atom(a_view(text), Look(), "https://status.example")))
    assert len(feed.findall(f"{ATOM}entry")) == 2
    assert "status: cause" in str(feed.findtext(f"{ATOM}entry/{ATOM}title"))
    elsewhere = ET.fromstring("".join(feed_atom(a_view(text), Look(root="/status"), "http://127.0.0.1:8080")))
    ids, same = ([str(one.text) for one in it.findall(f"{ATOM}entry/{ATOM}id")] for it in (feed, elsewhere))
    assert ids == same
    assert len(set(ids)) == 2


def test_the_public_reads_no_causes() -> None:
    view = a_view("Checkout", public=True)
    for pieces in (incidents_page(view, Look(public=True)), feed_atom(view, Look(public=True), "http://x")):
        assert "cause" not in "".join(pieces)


@pytest.mark.parametrize(
    ("query", "is_open", "is_ended", "has_site"),
    [
        ({}, True, True, True),
        ({"state": "open", "group": "shop"}, True, False, True),
        ({"state": "ended", "group": "core"}, False, True, False),
        ({"state": "nonsense", "since": "2y", "q": "CHECK"}, True, True, True),
        ({"q": "search", "since": "7d", "page": "3"}, True, True, False),
    ],
)
def test_an_address_chooses_incidents(query: dict[str, str], is_open: bool, is_ended: bool, has_site: bool) -> None:
    [site] = Sites.of([a_target("Checkout", group="shop")], public=False).all
    selection = IncidentSelection.of(query)
    assert IncidentSelection.of(dict(parse_qsl(selection.address(page=selection.page)[1:]))) == selection
    assert selection.has_entry(Incident(SINCE, None, MOMENT, 1800.0, None)) is is_open
    assert selection.has_entry(Incident(SINCE, MOMENT, MOMENT, 1800.0, None)) is is_ended
    assert selection.has_site(site) is has_site
