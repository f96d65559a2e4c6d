"""All operations of the API, in the order of the document."""

from __future__ import annotations

from watcher.web.api import gatus, records, silences
from watcher.web.api.bodies import NEW_ACK, NEW_SILENCE
from watcher.web.api.operations import Operation
from watcher.web.api.parameters import (
    CURSOR,
    ENDED,
    GROUP,
    LIMIT,
    PAGE,
    PAGE_SIZE,
    REASON,
    SINCE,
    STATE,
    TARGET_KEY,
    UNTIL,
)

_ALL = "/api/v1/endpoints"
_ONE = f"{_ALL}/{{key}}"
_SVG = "image/svg+xml"

OPERATIONS = (
    Operation(
        f"{_ALL}/statuses",
        "statuses",
        "All targets and their newest results",
        gatus.statuses,
        shape="GatusStatus",
        is_list=True,
        query=(PAGE, PAGE_SIZE),
        reads_history=False,
        pieces=gatus.pieces_of_statuses,
    ),
    Operation(
        f"{_ONE}/statuses",
        "status",
        "One target, its newest results, and how its health changed",
        gatus.status,
        shape="GatusStatus",
        query=(PAGE, PAGE_SIZE),
        reads_history=False,
    ),
    Operation(
        f"{_ONE}/uptimes/{{duration}}",
        "uptime",
        "The uptime as a number from 0 to 1",
        gatus.uptime,
        "text/plain",
        may_be_empty=True,
    ),
    Operation(
        f"{_ONE}/uptimes/{{duration}}/badge.svg", "uptimeBadge", "A badge of the uptime", gatus.uptime_as_badge, _SVG
    ),
    Operation(
        f"{_ONE}/response-times/{{duration}}",
        "responseTime",
        "The mean response time in milliseconds",
        gatus.response_time,
        "text/plain",
        may_be_empty=True,
    ),
    Operation(
        f"{_ONE}/response-times/{{duration}}/badge.svg",
        "responseTimeBadge",
        "A badge of the mean response time",
        gatus.response_time_as_badge,
        _SVG,
    ),
    Operation(
        f"{_ONE}/response-times/{{duration}}/history",
        "responseTimeHistory",
        "The mean response time of each hour",
        gatus.response_time_history,
        shape="ResponseTimeHistory",
    ),
    Operation(
        f"{_ONE}/health/badge.svg",
        "healthBadge",
        "A badge of the present state",
        gatus.health_as_badge,
        _SVG,
        reads_history=False,
    ),
    Operation(
        f"{_ONE}/health/badge.shields",
        "healthForShields",
        "The present state for shields.io",
        gatus.health_as_shields,
        shape="ShieldsBadge",
        reads_history=False,
    ),
    Operation(
        "/api/v1/targets",
        "targets",
        "The states of targets, and the results of their newest checks",
        records.targets,
        shape="TargetList",
        query=(LIMIT, CURSOR, GROUP, STATE),
        reads_history=False,
    ),
    Operation(
        "/api/v1/incidents",
        "incidents",
        "Incidents of the last 90 days, or of another period",
        records.incidents,
        shape="IncidentList",
        query=(LIMIT, CURSOR, SINCE, UNTIL, GROUP, TARGET_KEY, ENDED),
    ),
    Operation(
        "/api/v1/failures",
        "failures",
        "Checks that failed",
        records.failures,
        shape="FailureList",
        query=(LIMIT, CURSOR, SINCE, UNTIL, TARGET_KEY, REASON),
    ),
    Operation(
        "/api/v1/report",
        "report",
        "Uptime, percentiles and incidents of the last 7 days, or of another period; at most 200 targets a page",
        records.report,
        shape="Report",
        query=(LIMIT, CURSOR, SINCE, UNTIL, GROUP, TARGET_KEY),
    ),
    Operation(
        "/api/v1/silences",
        "silences",
        "Active silences",
        silences.silences,
        shape="SilenceList",
        reads_history=False,
    ),
    Operation(
        "/api/v1/silences",
        "silence",
        "Start a silence",
        silences.begin,
        shape="SilenceRecord",
        reads_history=False,
        method="POST",
        body=NEW_SILENCE,
        status=201,
        refusals={"409": "Too many silences are active"},
    ),
    Operation(
        "/api/v1/silences/{id}",
        "endSilence",
        "End a silence",
        silences.end,
        shape="SilenceRecord",
        reads_history=False,
        method="DELETE",
        refusals={"404": "There is no active silence with this id"},
    ),
    Operation(
        f"{_ONE}/ack",
        "ack",
        "Acknowledge the open incident of a target: no reminders, no escalation",
        silences.acknowledge,
        shape="AckRecord",
        reads_history=False,
        method="POST",
        body=NEW_ACK,
        status=201,
        refusals={"409": "Nothing is open at this target"},
    ),
)
