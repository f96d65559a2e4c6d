"""The keys of `config.yaml` for alerting: those of an entry, and those of the file."""

from __future__ import annotations

from typing import Annotated, Required

from pydantic import BeforeValidator, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from watcher.config.schema.keys import TOLD, Key
from watcher.config.schema.limits import MAX_DESCRIPTION_CHARS, MAX_LABELS, SHORTEST_LOOK_SECONDS
from watcher.config.schema.value_types import FILLED, SOME, STRICT, VARIABLE_PATTERN, Duration, exactly_one_of
from watcher.config.schema.window_keys import MaintenanceKeys  # noqa: TC001  # pydantic reads it
from watcher.model.alerts.options import DEFAULT_CONNECTIVITY_INTERVAL_SECONDS, DEFAULT_HEARTBEAT_INTERVAL_SECONDS

_HTTP = {"pattern": f"^[Hh][Tt][Tt][Pp][Ss]?://|{VARIABLE_PATTERN}"}
_LOOK = {"minimum": SHORTEST_LOOK_SECONDS}


@with_config(STRICT)
class RouteKeys(TypedDict, total=False):
    """An item of `alerts`; a name alone means `{channel: NAME}`."""

    channel: Required[Annotated[str, Key("the name of a channel", bounds=FILLED, example="page-me")]]
    after: Annotated[
        Duration,
        Key(
            "sends only if the incident is still open then, and not acknowledged",
            default=0,
            bounds={"minimum": 0},
            example="15m",
        ),
    ]


@with_config(exactly_one_of("target", "group"))
class DependencyKeys(TypedDict, total=False):
    """An item of `depends_on`; a name alone means `{target: NAME}`."""

    target: Annotated[str | None, Key("the name of a target", bounds=FILLED, example="Router")]
    group: Annotated[str | None, Key("a group; it is down when all of its targets are", bounds=FILLED, example="core")]


def _route(value: object) -> object:
    return {"channel": value} if isinstance(value, str) else value


def _dependency(value: object) -> object:
    return {"target": value} if isinstance(value, str) else value


_Route = Annotated[RouteKeys, BeforeValidator(_route, json_schema_input_type=str | RouteKeys)]
_Dependency = Annotated[DependencyKeys, BeforeValidator(_dependency, json_schema_input_type=str | DependencyKeys)]


@with_config(STRICT)
class ToldOptions(TypedDict, total=False):
    """The alerting options of a target."""

    alerts: Annotated[
        list[_Route] | None,
        Key(
            "names of the channels to notify; `[]` for none",
            TOLD,
            default_text="all channels with `default: true`",
            example="[ops, {channel: page-me, after: 15m}]",
        ),
    ]
    depends_on: Annotated[
        list[_Dependency] | None,
        Key(
            "names of targets, or groups: while one of these is down, nothing is sent about this target; its checks go"
            " on; in `defaults`, it does not apply to the targets that it names, nor to their dependencies",
            TOLD,
            example="[Router, {group: core}]",
        ),
    ]
    maintenance: Annotated[
        list[MaintenanceKeys] | None,
        Key(
            "windows in which the target may be down, in addition to those of the file",
            TOLD,
            example='[{weekdays: [sat], start: "02:00", duration: 90m, timezone: Europe/Berlin}]',
        ),
    ]
    description: Annotated[
        str | None,
        Key(
            f"text for the readers of notifications, up to {MAX_DESCRIPTION_CHARS} characters",
            TOLD,
            bounds={"pattern": r"\S", "maxLength": MAX_DESCRIPTION_CHARS},
            example='"Runbook: https://wiki.example/shop"',
        ),
    ]
    labels: Annotated[
        dict[str, str] | None,
        Key(
            f"names and values for webhooks, metrics and Alertmanager; up to {MAX_LABELS}",
            TOLD,
            bounds={"maxProperties": MAX_LABELS},
            example="{team: web}",
        ),
    ]


@with_config(STRICT)
class ConnectivityKeys(TypedDict, total=False):
    """`connectivity`."""

    targets: Required[
        Annotated[
            list[str],
            Key(
                "addresses, best of different providers; any answer counts",
                bounds=SOME,
                example='["https://one.one.one.one/", "https://dns.google/"]',
            ),
        ]
    ]
    interval: Annotated[
        Duration,
        Key(
            "time between two checks",
            default=f"{DEFAULT_CONNECTIVITY_INTERVAL_SECONDS:g}s",
            bounds=_LOOK,
            example="60s",
        ),
    ]


@with_config(exactly_one_of("url", "url_file"))
class HeartbeatKeys(TypedDict, total=False):
    """`heartbeat`."""

    url: Annotated[
        str | None, Key("the URL to call", bounds=_HTTP, example="https://hc-ping.example/uuid", secret=True)
    ]
    url_file: Annotated[
        str | None, Key("path of a file with the URL instead", bounds=FILLED, example="/run/secrets/heartbeat")
    ]
    interval: Annotated[
        Duration,
        Key(
            "time between two calls",
            default=f"{DEFAULT_HEARTBEAT_INTERVAL_SECONDS:g}s",
            bounds=_LOOK,
            example="5m",
        ),
    ]
