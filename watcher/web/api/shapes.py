"""The shapes of answers, for mypy and for the OpenAPI document, whose builder is the only importer at run time."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
StateWord = Literal["pending", "up", "degraded", "down", "unknown", "maintenance", "paused"]


class GatusResult(TypedDict):
    """One check, in Gatus' shape; `status`, `hostname` and `errors` are missing if they have no value."""

    status: NotRequired[int]
    hostname: NotRequired[str]
    duration: int  # nanoseconds
    errors: NotRequired[list[str]]
    success: bool
    timestamp: Time


class GatusEvent(TypedDict):
    """A change of health, in Gatus' shape."""

    type: Literal["START", "HEALTHY", "UNHEALTHY"]
    timestamp: Time


class GatusStatus(TypedDict):
    """A target with its newest results, oldest first, in Gatus' shape."""

    name: str
    group: NotRequired[str]
    key: str
    results: list[GatusResult]
    events: NotRequired[list[GatusEvent]]


class ResponseTimeHistory(TypedDict):
    """The mean response time of each hour that had checks: milliseconds since 1970, and milliseconds."""

    timestamps: list[int]
    values: list[int]


class ShieldsBadge(TypedDict):
    """A badge for shields.io."""

    schemaVersion: int
    label: str
    message: str
    color: str


class PhasesMs(TypedDict):
    """Durations of the phases in milliseconds; null for a phase that did not happen."""

    resolve: float | None
    connect: float | None
    tls: float | None
    processing: float | None
    transfer: float | None


class PlaceRecord(TypedDict):
    """The state of a target as seen from one of its locations."""

    location: str
    state: StateWord
    since: Time | None
    reason: str | None
    detail: str | None
    has_replica: bool  # without one, the location does not count, and its state is unknown


class TargetRecord(TypedDict):
    """The state of a target, and the result of its newest check here.

    If several locations watch it together, `location` is `*`, and `locations` has the state of each of them.
    """

    key: str
    target: str
    location: str
    address: str | None
    group: str | None
    state: StateWord
    since: Time | None
    reason: str | None
    detail: str | None
    interval_ms: float
    started_at: Time | None
    duration_ms: float | None
    phases_ms: PhasesMs | None
    status_code: int | None
    cert_expires_at: Time | None
    locations: NotRequired[list[PlaceRecord]]


class TargetList(TypedDict):
    """Targets in the order of their keys."""

    targets: list[TargetRecord]
    next: str | None


class Entry(TypedDict):
    """An incident, or a time in which a target went down and up too often to list each."""

    kind: Literal["incident", "flapping"]
    start: Time
    end: Time | None
    end_is_exact: bool
    length_ms: float
    down_ms: float
    reason: str | None
    detail: str | None
    flips: int | None
    incidents: int | None


class IncidentRecord(Entry):
    """An incident with its target."""

    key: str
    target: str
    group: str | None


class IncidentList(TypedDict):
    """Incidents, newest first."""

    incidents: list[IncidentRecord]
    next: str | None


class FailureRecord(TypedDict):
    """A row of the table of failures; `key` is null for a target that is no longer watched."""

    key: str | None
    id: str
    target: str
    address: str | None
    location: str
    scheduled_at: Time
    started_at: Time
    duration_ms: float
    reason: str | None
    detail: str | None
    status_code: int | None
    phases_ms: PhasesMs
    excerpt: str | None
    headers: dict[str, str] | None
    notes: list[str]


class FailureList(TypedDict):
    """Failures, newest first."""

    failures: list[FailureRecord]
    next: str | None


class ReportRecord(TypedDict):
    """The report on a target at one location."""

    key: str
    target: str
    location: str
    address: str | None
    group: str | None
    watched: bool
    uptime_percent: float | None
    known_ms: float
    pending_ms: float
    up_ms: float
    degraded_ms: float
    down_ms: float
    unknown_ms: float
    maintenance_ms: float
    paused_ms: float
    checks: int
    failures: dict[str, int]
    percentiles_ms: dict[str, float | None]
    incidents: list[Entry]


class Report(TypedDict):
    """A report over a window of time, sorted by the keys of the targets."""

    since: Time
    until: Time
    targets: list[ReportRecord]
    next: str | None


class SilenceRecord(TypedDict):
    """A time without notifications: of the targets, of the group, or of all if both are null."""

    id: Id
    start: Time
    end: Time
    why: str | None
    by: str | None
    targets: list[str] | None
    group: str | None


class SilenceList(TypedDict):
    """Active silences, newest first."""

    silences: list[SilenceRecord]
    next: str | None


class AckRecord(TypedDict):
    """An acknowledgement of the incident that was open at a target at that moment."""

    id: Id
    target: str
    at: Time
    why: str
    by: str


class Wrong(TypedDict):
    """A wrong value of a query or body."""

    name: str
    detail: str


class Problem(TypedDict):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[Wrong]]


SHAPES = {
    shape.__name__: shape
    for shape in (
        GatusStatus,
        ResponseTimeHistory,
        ShieldsBadge,
        TargetList,
        IncidentList,
        FailureList,
        Report,
        SilenceRecord,
        SilenceList,
        AckRecord,
        Problem,
    )
}
