"""Serves Gatus' endpoints in Gatus' shapes, so that dashboards made for Gatus can read this daemon. Trio."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import Response

from watcher.history.uptime import GOOD
from watcher.model.outcome import Reason
from watcher.model.state import State
from watcher.model.wording import why
from watcher.reporting.endpoint_history import read_flips, read_hourly_means, read_mean_ms, read_uptime
from watcher.text.timestamps import timestamp, timestamp_of
from watcher.web.api.badges import health_badge, health_for_shields, response_time_badge, uptime_badge
from watcher.web.api.calls import HistoryAwayError, content_response, json_response
from watcher.web.api.parameters import DURATIONS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from watcher.history.uptime import Uptime
    from watcher.model.state import Flip
    from watcher.recording.board import Latest
    from watcher.recording.results import Result
    from watcher.web.api.calls import Call
    from watcher.web.api.shapes import GatusEvent, GatusResult, GatusStatus
    from watcher.web.sites import Site

HOUR = timedelta(hours=1)
EVENTS_BACK = timedelta(days=90)
MAX_EVENTS = 50
_SVG = "image/svg+xml"


async def statuses(call: Call) -> Response:
    """Answer with all targets and their newest results."""

    def steps() -> Generator[None, None, bytes]:
        pieces = []
        for piece in pieces_of_statuses(call):
            pieces.append(piece)
            yield
        return b"".join(pieces)

    return content_response(await call.in_turns(steps()), "application/json")


def pieces_of_statuses(call: Call) -> Iterator[bytes]:
    """Write the list of all targets and their newest results, one target at a time."""
    mark = b"["
    for site in call.sites.all:
        yield mark + json.dumps(_status_of(call, site)).encode()
        mark = b","
    yield b"[]" if mark == b"[" else b"]"


async def status(call: Call) -> Response:
    """Answer with one target, its newest results and, if the history can be read, its changes of health."""
    told, name = _status_of(call, call.site), call.site.target
    source, since, location = call.source, call.now - EVENTS_BACK, call.source.flips_at(call.site)
    try:
        flips = await source.read(lambda database: read_flips(database, name, location, since, call.now))
    except HistoryAwayError:
        return json_response({**told})
    return json_response({**told, "events": events_of(flips)})


async def uptime(call: Call) -> Response:
    """Answer with the uptime as a plain number from 0 to 1, rounded down."""
    percent = (await _uptime_of(call)).percent(4)
    return _number(None if percent is None else f"{percent / 100:.6f}")


async def uptime_as_badge(call: Call) -> Response:
    """Answer with a badge of the uptime."""
    return content_response(uptime_badge(call.duration, await _uptime_of(call)).encode(), _SVG)


async def response_time(call: Call) -> Response:
    """Answer with the mean response time in whole milliseconds."""
    mean_ms = await _mean_of(call)
    return _number(None if mean_ms is None else f"{mean_ms:.0f}")


async def response_time_as_badge(call: Call) -> Response:
    """Answer with a badge of the mean response time."""
    return content_response(response_time_badge(call.duration, await _mean_of(call)).encode(), _SVG)


async def response_time_history(call: Call) -> Response:
    """Answer with the mean response time of each hour."""
    name, location, hours = call.site.target, call.source.location, DURATIONS[call.duration] // HOUR
    means = await call.source.read(lambda database: read_hourly_means(database, name, location, hours, call.now))
    return json_response(
        {
            "timestamps": [round(at.timestamp() * 1000) for at, _ in means],
            "values": [round(mean_ms) for _, mean_ms in means],
        }
    )


async def health_as_badge(call: Call) -> Response:
    """Answer with a badge of the present state."""
    return content_response(health_badge(_state_of(call)).encode(), _SVG)


async def health_as_shields(call: Call) -> Response:
    """Answer with the present state for shields.io."""
    return json_response(health_for_shields(_state_of(call)))


def events_of(flips: Sequence[Flip]) -> list[GatusEvent]:
    """Return a target's changes of health, oldest first; states that are neither up nor down change nothing."""
    events: list[GatusEvent] = []
    if flips and flips[0].before is State.PENDING:
        events.append({"type": "START", "timestamp": timestamp(flips[0].at)})
    was_good: bool | None = None
    for flip in flips:
        is_good = flip.state in GOOD
        if (is_good or flip.state is State.DOWN) and is_good is not was_good:
            events.append({"type": "HEALTHY" if is_good else "UNHEALTHY", "timestamp": timestamp(flip.at)})
            was_good = is_good
    return events[-MAX_EVENTS:]


def result_of(result: Result, hostname: str | None, latest: Latest | None, *, public: bool) -> GatusResult:
    """Return one check in Gatus' shape.

    Args:
        result: of the check.
        hostname: of the target; None if hidden.
        latest: the same check with its detail; None if it is not the newest, or has succeeded.
        public: whether the reason stays hidden.
    """
    told: GatusResult = {
        "duration": round(result.duration_seconds * 1_000_000_000),
        "success": result.reason is None,
        "timestamp": timestamp_of(result.started_at_ms),
    }
    if hostname:
        told["hostname"] = hostname
    if result.status_code is not None and not public:
        told["status"] = result.status_code
    if result.reason is not None and not public:
        by_status = str(result.status_code) if result.reason is Reason.STATUS else None
        told["errors"] = [why(str(result.reason), by_status if latest is None else latest.detail)]
    return told


def _status_of(call: Call, site: Site) -> GatusStatus:
    page, size = call.values["page"], call.values["pageSize"]
    board = call.source.present.board
    results = board.results_of(site.target)
    latest = board.of(site.target) if results and results[-1].reason is not None else None
    end = max(len(results) - (page - 1) * size, 0)
    hostname = _hostname_of(site)
    told = [
        result_of(results[number], hostname, latest if number == len(results) - 1 else None, public=call.public)
        for number in range(max(end - size, 0), end)
    ]
    status: GatusStatus = {"name": site.name, "key": site.key, "results": told}
    if site.group:
        status["group"] = site.group
    return status


def _hostname_of(site: Site) -> str | None:
    try:
        return urlsplit(site.address).hostname if site.address else None
    except ValueError:
        return None


async def _uptime_of(call: Call) -> Uptime:
    name, since = call.site.target, call.now - DURATIONS[call.duration]
    location = call.source.flips_at(call.site)
    return await call.source.read(lambda database: read_uptime(database, name, location, since, call.now))


async def _mean_of(call: Call) -> float | None:
    name, source, since = call.site.target, call.source, call.now - DURATIONS[call.duration]
    return await source.read(lambda database: read_mean_ms(database, name, source.location, since, call.now))


def _number(text: str | None) -> Response:
    """Answer with a plain number, or without a body if it is unknown, since 0 would be a number."""
    if text is None:
        return Response(None, 204, {"Cache-Control": "no-cache"})
    return content_response(text.encode(), "text/plain")


def _state_of(call: Call) -> State:
    standing = call.source.present.standing_of(call.site)
    return State.UNKNOWN if standing is None else standing.state
