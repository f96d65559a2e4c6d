"""What answers look like: for mypy, and for the document. Only that imports what reads them."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
StateWord = Literal["pending", "up", "degraded", "down", "unknown", "maintenance", "paused"]


class GatusResult(TypedDict):
    """One check, as Gatus has it; `status`, `hostname` and `errors` are not there where there is nothing to tell."""

    status: NotRequired[int]
    hostname: NotRequired[str]
    duration: int  # nanoseconds
    errors: NotRequired[list[str]]
    success: bool
    timestamp: Time


class GatusEvent(TypedDict):
    """A change of health, as Gatus has it."""

    type: Literal["START", "HEALTHY", "UNHEALTHY"]
    timestamp: Time


class GatusStatus(TypedDict):
    """A target with its newest results, the oldest of them first, as Gatus has it."""

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
    """What shields.io draws."""

    schemaVersion: int
    label: str
    message: str
    color: str


class PhasesMs(TypedDict):
    """Where the time went, in milliseconds; null for a phase that did not happen."""

    resolve: float | None
    connect: float | None
    tls: float | None
    processing: float | None
    transfer: float | None


class PlaceRecord(TypedDict):
    """The state of a target as one of its places sees it."""

    location: str
    state: StateWord
    since: Time | None
    reason: str | None
    detail: str | None
    has_replica: bool  # without one, the place does not count, and its state is unknown


class TargetRecord(TypedDict):
    """Where a target stands, and what its newest check here found.

    Where several places watch it together, `location` is `*`, and `locations` says what each of them sees.
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
    """An incident, or a time in which a target went down and up too often to tell each."""

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
    """An incident, with whose it is."""

    key: str
    target: str
    group: str | None


class IncidentList(TypedDict):
    """Incidents, newest first."""

    incidents: list[IncidentRecord]
    next: str | None


class FailureRecord(TypedDict):
    """A row of the table of failures; `key` is null for a target that is watched no more."""

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
    """What a report says of a target at one location."""

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
    """A report over a window of time, in the order of the keys of the targets."""

    since: Time
    until: Time
    targets: list[ReportRecord]
    next: str | None


class SilenceRecord(TypedDict):
    """No notifications for a while: of the targets, of the group, or of all where both are null."""

    id: Id
    start: Time
    end: Time
    why: str | None
    by: str | None
    targets: list[str] | None
    group: str | None


class SilenceList(TypedDict):
    """Silences that hold, the newest first."""

    silences: list[SilenceRecord]
    next: str | None


class AckRecord(TypedDict):
    """Somebody knows of the incident that was open at a target at the moment."""

    id: Id
    target: str
    at: Time
    why: str
    by: str


class Wrong(TypedDict):
    """What is wrong with a value of a query."""

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
