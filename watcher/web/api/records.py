"""Serves this daemon's records, one page at a time, with the keys, times and units of the commands' `--json`. Trio."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from watcher.history.incidents import Incident
from watcher.history.present_state import Present
from watcher.reporting.failures import failure_as_json
from watcher.reporting.page_history import read_entries
from watcher.reporting.report_forms import entry_as_json, report_as_json
from watcher.reporting.reports import read_reports
from watcher.reporting.status import present_as_json
from watcher.text.timestamps import timestamp
from watcher.web.api.cursors import cursor_of, place_of
from watcher.web.api.parameters import OLDEST_ROW, WrongValuesError, moment

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from starlette.responses import Response

    from watcher.history.incidents import Flapping
    from watcher.model.places import PlaceView
    from watcher.recording.board import Latest
    from watcher.reporting.report_forms import TargetReport
    from watcher.web.api.calls import Call
    from watcher.web.sites import Site

INCIDENTS_BACK = timedelta(days=90)
REPORT_BACK = timedelta(days=7)
MAX_REPORTED = 200  # targets of one page of a report: one query adds up the data of all

# Fields hidden from callers without auth.
_HIDDEN_OF_TARGET = dict.fromkeys(("address", "reason", "detail", "status_code"))
_HIDDEN_OF_ENTRY = dict.fromkeys(("reason", "detail"))
_HIDDEN_OF_FAILURE: dict[str, Any] = {
    **dict.fromkeys(("address", "reason", "detail", "status_code", "excerpt", "headers")),
    "notes": [],
}


async def targets(call: Call) -> Response:
    """Answer with the states of targets, in the order of their keys."""
    limit, state = call.values["limit"], call.values["state"]

    def look() -> Generator[None, None, list[tuple[Site, Latest]]]:
        found = []
        for site in _sites_after(call, _key_of_cursor(call)):
            latest = call.source.present.latest_of(site)
            if latest is not None and state in {None, str(latest.standing.state)}:
                found.append((site, latest))
            if len(found) > limit:
                break
            yield
        return found

    found = await call.in_turns(look())
    following = cursor_of(found[limit - 1][0].key) if len(found) > limit else None
    records = (_target_record(call, *one) for one in found[:limit])
    return await call.list_response("targets", records, next=following)


async def incidents(call: Call) -> Response:
    """Answer with incidents, newest first."""
    values, limit = call.values, call.values["limit"]
    since, until = _window(call, INCIDENTS_BACK)
    before: tuple[datetime, str] | None = None
    if values["cursor"] is not None:
        start, key, since = _place(call, datetime, str, datetime)
        before = start, key
    sites = {site.target: site for site in _sites_after(call, "")}
    location = call.source.location
    found = []
    if since < until:
        combined = call.source.present.combined_among(sites.values())
        found = await call.source.read(
            lambda database: read_entries(database, list(sites), location, since, until, combined)
        )
    told: list[tuple[datetime, str, Site, Incident | Flapping]] = []
    for target, entry in found:
        is_open = isinstance(entry, Incident) and entry.end is None
        if values["state"] in {None, "open" if is_open else "ended"}:
            told.append((entry.start, sites[target].key, sites[target], entry))
    told.sort(key=_newest_first)
    first = 0 if before is None else bisect_right(told, _newest_first(before), key=_newest_first)
    page = told[first : first + limit]
    records = (_incident_record(call, site, entry) for _, _, site, entry in page)
    following = cursor_of(*page[-1][:2], since) if len(told) > first + limit else None
    return await call.list_response("incidents", records, next=following)


async def failures(call: Call) -> Response:
    """Answer with rows of the table of failures, newest first."""
    values, limit = call.values, call.values["limit"]
    filters: dict[str, Any] = {"reason": values["reason"]}
    for name in ("since", "until"):
        if values[name] is not None:
            filters[name] = moment(values[name], call.now, oldest=OLDEST_ROW)
    if values["key"] is not None:
        filters["target"] = _site(call, values["key"]).target
    elif call.public:
        filters["targets"] = [site.target for site in call.sites.all]
    if values["cursor"] is not None:
        at, row_id = _place(call, datetime, str)
        filters["before"] = at, _uuid(row_id)
    rows = await call.source.read(lambda database: database.failures(limit=limit + 1, **filters))
    names = {row["target"] for row in rows}
    sites = {site.target: site for site in call.sites.all if site.target in names}
    records = (_failure_record(call, row, sites.get(row["target"])) for row in rows[:limit])
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = cursor_of(last["started_at" if "target" in filters else "scheduled_at"], str(last["id"]))
    return await call.list_response("failures", records, next=following)


async def report(call: Call) -> Response:
    """Answer with the data of `watcher report`, for watched targets, in the order of their keys."""
    limit = min(call.values["limit"], MAX_REPORTED)
    since, until = _window(call, REPORT_BACK)
    after = ""
    if call.values["cursor"] is not None:
        after, since, until = _place(call, str, datetime, datetime)
    sites = list(islice(_sites_after(call, after), limit + 1))
    of_page = {site.target: site for site in sites[:limit]}
    reports = []
    if since < until and of_page:
        reports = await call.source.read(
            lambda database: read_reports(database, since, until, list(of_page), with_means=False)
        )
    reports.sort(key=lambda one: (of_page[one.present.target].key, one.present.location))
    records = (_report_record(call, of_page[one.present.target], one) for one in reports)
    following = cursor_of(sites[limit - 1].key, since, until) if len(sites) > limit else None
    return await call.list_response("targets", records, since=timestamp(since), until=timestamp(until), next=following)


def _target_record(call: Call, site: Site, latest: Latest) -> dict[str, Any]:
    expires_at, started_at, seconds = latest.cert_expires_at, latest.started_at, latest.duration_seconds
    present = Present(
        site.name,
        call.source.flips_at(site),
        site.address or "",
        site.group,
        latest.standing.state,
        latest.standing.since,
        None if latest.reason is None else str(latest.reason),
        latest.detail or None,
    )
    hidden = _HIDDEN_OF_TARGET if call.public else {}
    places = [
        _place_record(view) | (_HIDDEN_OF_ENTRY if call.public else {}) for view in call.source.present.places_of(site)
    ]
    return {
        "key": site.key,
        **present_as_json(present),
        "interval_ms": site.interval_seconds * 1000,
        "started_at": None if started_at is None else timestamp(started_at),
        "duration_ms": None if seconds is None else round(seconds * 1000, 3),
        "phases_ms": None if started_at is None else latest.phases.as_milliseconds(),
        "status_code": latest.status_code,
        "cert_expires_at": None if expires_at is None else timestamp(expires_at),
        **hidden,
        **({"locations": places} if places else {}),
    }


def _place_record(view: PlaceView) -> dict[str, Any]:
    return {
        "location": view.location,
        "state": str(view.state),
        "since": None if view.since is None else timestamp(view.since),
        "reason": view.reason,
        "detail": view.detail,
        "has_replica": view.is_alive,
    }


def _incident_record(call: Call, site: Site, entry: Incident | Flapping) -> dict[str, Any]:
    hidden = _HIDDEN_OF_ENTRY if call.public else {}
    return {"key": site.key, "target": site.name, "group": site.group, **entry_as_json(entry), **hidden}


def _failure_record(call: Call, row: Mapping[str, Any], site: Site | None) -> dict[str, Any]:
    record = {"key": None if site is None else site.key, **failure_as_json(row)}
    if call.public and site is not None:
        record |= {**_HIDDEN_OF_FAILURE, "target": site.name}
    return record


def _report_record(call: Call, site: Site, report: TargetReport) -> dict[str, Any]:
    record = report_as_json(report)
    told = {"key": site.key, **record}
    if call.public:
        entries = [entry | _HIDDEN_OF_ENTRY for entry in record["incidents"]]
        told |= {"target": site.name, "address": None, "group": site.group, "failures": {}, "incidents": entries}
    return told


def _sites_after(call: Call, key: str) -> Iterator[Site]:
    """Yield the requested sites after a key, in the order of their keys."""
    group, only = call.values["group"], call.values.get("key")
    following: Iterable[Site] = call.sites.after_key(key)
    if only is not None:
        following = [_site(call, only)] if only > key else []
    for site in following:
        if group in {None, site.group}:
            yield site


def _site(call: Call, key: str) -> Site:
    site = call.sites.with_key(key)
    if site is None:
        raise WrongValuesError({"key": "is not the key of a target"})
    return site


def _window(call: Call, default: timedelta) -> tuple[datetime, datetime]:
    since = moment(call.values["since"], call.now, default)
    return since, max(since, moment(call.values["until"], call.now))


def _newest_first(entry: tuple[Any, ...]) -> tuple[float, str]:
    return -entry[0].timestamp(), entry[1]


def _key_of_cursor(call: Call) -> str:
    return "" if call.values["cursor"] is None else str(_place(call, str)[0])


def _place(call: Call, *types: Any) -> list[Any]:
    try:
        return place_of(call.values["cursor"], *types)
    except ValueError as error:
        raise WrongValuesError({"cursor": str(error)}) from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise WrongValuesError({"cursor": "is not a cursor of this list"}) from None
