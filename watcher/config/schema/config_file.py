"""The shape of `config.yaml`: its keys, their types and their documentation.

`docs/configuration.md` and `config/schema.json` are generated from it.
"""

from __future__ import annotations

from typing import Annotated, Required

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from watcher.config.schema.alert_keys import (
    ConnectivityKeys,
    DependencyKeys,
    HeartbeatKeys,
    RouteKeys,
    ToldOptions,
)
from watcher.config.schema.channel_keys import AlertmanagerKeys, ChannelKeys, WebhookKeys
from watcher.config.schema.connection_keys import ConnectingOptions, TlsConfig
from watcher.config.schema.expectation_keys import ExpectedOptions, HeaderMatch, JsonMatch
from watcher.config.schema.keys import STATE, Key, keys_of
from watcher.config.schema.limits import (
    MAX_LOCATIONS,
    MAX_NAME_CHARS,
    MAX_RETRIES,
    MAX_THRESHOLD,
    SHORTEST_INTERVAL_SECONDS,
)
from watcher.config.schema.page_keys import PageKeys
from watcher.config.schema.request_keys import Authorization, BasicAuth, SendingOptions
from watcher.config.schema.value_types import ABOVE_ZERO, SOME, STRICT, VARIABLE_PATTERN, Duration
from watcher.config.schema.window_keys import MaintenanceKeys, QuietHoursKeys
from watcher.model.target import (
    DEFAULT_INTERVAL_SECONDS,
    DEFAULT_RETRY_INTERVAL_SECONDS,
    DEFAULT_THRESHOLDS,
    DEFAULT_TIMEOUT_SECONDS,
)

# What begins so is for anchors: `x-shop: &shop {...}` is used by what repeats or merges it.
EXTENSION = "x-"

_NAME = {"pattern": r"\S", "maxLength": MAX_NAME_CHARS}
_THRESHOLD = {"minimum": 1, "maximum": MAX_THRESHOLD}
_ONE_AUTHORIZATION = ConfigDict(**STRICT, json_schema_extra={"not": {"required": ["basic_auth", "authorization"]}})


@with_config(STRICT)
class BasicOptions(TypedDict, total=False):
    """The options that most entries have."""

    group: Annotated[str | None, Key("group of the target, such as a shop or a team", bounds=_NAME, example="shop")]
    interval: Annotated[
        Duration,
        Key(
            "time between two checks",
            default=int(DEFAULT_INTERVAL_SECONDS),
            default_text=f"{DEFAULT_INTERVAL_SECONDS:g}, within the bounds of `.env`",
            bounds=ABOVE_ZERO,
            example="60s",
        ),
    ]
    timeout: Annotated[
        Duration,
        Key(
            "deadline of one attempt, from DNS to the last byte, including redirects; at most the interval",
            default=int(DEFAULT_TIMEOUT_SECONDS),
            default_text=f"{DEFAULT_TIMEOUT_SECONDS:g}, or the interval if that is less",
            bounds=ABOVE_ZERO,
            example="5s",
        ),
    ]


@with_config(_ONE_AUTHORIZATION)
class Options(BasicOptions, SendingOptions, ExpectedOptions, ConnectingOptions, ToldOptions, total=False):
    """The options of `defaults` and of each entry of `urls`."""

    retries: Annotated[
        int | None,
        Key(
            "number of further attempts of a failing check, within its slot; the last attempt counts; from 0 to"
            f" {MAX_RETRIES}",
            default=0,
            bounds={"minimum": 0, "maximum": MAX_RETRIES},
        ),
    ]
    retry_interval: Annotated[
        Duration,
        Key("time between two attempts", default=f"{DEFAULT_RETRY_INTERVAL_SECONDS:g}s", bounds={"minimum": 0}),
    ]
    recheck_interval: Annotated[
        Duration,
        Key(
            "time between two checks until a change is confirmed; from"
            f" {SHORTEST_INTERVAL_SECONDS:g} s to the interval, even below `MIN_INTERVAL_VAL`; in `defaults`, a value"
            " above a target's interval does not apply to it",
            STATE,
            default_text="the interval",
            bounds={"minimum": SHORTEST_INTERVAL_SECONDS},
            example="5s",
        ),
    ]
    failure_threshold: Annotated[
        int | None,
        Key(
            f"number of failing checks in a row until a target is down; from 1 to {MAX_THRESHOLD}",
            STATE,
            default=DEFAULT_THRESHOLDS.failure,
            bounds=_THRESHOLD,
        ),
    ]
    success_threshold: Annotated[
        int | None,
        Key(
            f"number of successful checks in a row until it is up again; from 1 to {MAX_THRESHOLD}",
            STATE,
            default=DEFAULT_THRESHOLDS.success,
            bounds=_THRESHOLD,
        ),
    ]
    enabled: Annotated[
        bool | None, Key("false: the target is not checked, and its state is `paused`", STATE, default=True)
    ]
    locations: Annotated[
        list[str] | None,
        Key(
            "the locations that watch the target and decide its state together, by their `WATCHER_LOCATION`; up to"
            f" {MAX_LOCATIONS}; `[]` for none, which removes those of `defaults`",
            STATE,
            default_text="each location that has the target in its file watches it on its own",
            bounds={"uniqueItems": True, "maxItems": MAX_LOCATIONS},
            example="[fra, nyc, sgp]",
        ),
    ]
    quorum: Annotated[
        int | None,
        Key(
            "number of locations that must find the target down; from 1 to the number of `locations`; in `defaults`, a"
            " larger value is lowered to that number",
            STATE,
            default_text="more than half of `locations`",
            bounds={"minimum": 1},
            example="2",
        ),
    ]


@with_config(_ONE_AUTHORIZATION)
class UrlEntry(Options, total=False):
    """One entry of `urls`.

    A mapping with only the written keys takes a fifth of the memory of an object with all keys.
    """

    address: Required[
        Annotated[
            str,
            Key(
                "an http or https URL; `user:password@` in it becomes basic authorization",
                bounds={"pattern": f"^[Hh][Tt][Tt][Pp][Ss]?://|{VARIABLE_PATTERN}"},
                example="https://example.com/",
            ),
        ]
    ]
    name: Annotated[
        str | None,
        Key(
            "name of the target; its history is stored under this name",
            default_text="the address without its secrets",
            bounds=_NAME,
            example="Checkout",
        ),
    ]


@with_config(STRICT)
class ConfigFile(TypedDict, total=False):
    """The whole of `config.yaml`."""

    urls: Required[
        Annotated[
            list[UrlEntry],
            Key(
                "the targets",
                bounds=SOME,
                example="[{address: https://example.com/}]",
            ),
        ]
    ]
    defaults: Annotated[
        Options | None,
        Key(
            "values for entries that do not set the key themselves: any key but `address` and `name`",
            example="{interval: 10}",
        ),
    ]
    page: Annotated[
        PageKeys | None,
        Key("how the status page looks, and what the public sees", example='{title: "Status of Example"}'),
    ]
    channels: Annotated[
        list[ChannelKeys] | None,
        Key(
            "where alerts are sent", bounds=SOME, example='[{name: ops, url: "ntfys://ntfy.example/ops"}]', secret=True
        ),
    ]
    connectivity: Annotated[
        ConnectivityKeys | None,
        Key(
            "sites that show whether this machine has a network: while none of them answers, targets are `unknown`, not"
            " `down`",
            example='{targets: ["https://one.one.one.one/", "https://dns.google/"]}',
        ),
    ]
    heartbeat: Annotated[
        HeartbeatKeys | None,
        Key(
            "a URL that is called while checks start on time and their results are stored, so that an outside service"
            " reports when they are not",
            example='{url: "https://hc-ping.example/uuid"}',
            secret=True,
        ),
    ]
    maintenance: Annotated[
        list[MaintenanceKeys] | None,
        Key(
            "windows in which targets may be down: all targets, those of a group, or those with given names",
            bounds=SOME,
            example='[{start: "2026-12-01T22:00", duration: 2h, timezone: Europe/Berlin}]',
        ),
    ]


# All mappings, by the key that holds one (None: the file).
SHAPES: dict[str | None, type] = {
    None: ConfigFile,
    "urls": UrlEntry,
    "defaults": Options,
    "page": PageKeys,
    "basic_auth": BasicAuth,
    "authorization": Authorization,
    "tls_config": TlsConfig,
    "fail_if_header_matches": HeaderMatch,
    "fail_if_header_not_matches": HeaderMatch,
    "json": JsonMatch,
    "channels": ChannelKeys,
    "webhook": WebhookKeys,
    "alertmanager": AlertmanagerKeys,
    "quiet_hours": QuietHoursKeys,
    "alerts": RouteKeys,
    "depends_on": DependencyKeys,
    "maintenance": MaintenanceKeys,
    "connectivity": ConnectivityKeys,
    "heartbeat": HeartbeatKeys,
}
_FIRST_KEYS = ("address", "name")
# The keys of each mapping, by the key that holds it.
KNOWN_KEYS: dict[str | None, tuple[str, ...]] = {
    holder: tuple(sorted(shape.__annotations__, key=lambda name: name not in _FIRST_KEYS))
    for holder, shape in SHAPES.items()
}


def all_keys() -> dict[str, Key]:
    """Return all keys of the file; for a name with two meanings, the first."""
    return {name: key for shape in reversed(SHAPES.values()) for name, key in keys_of(shape).items()}
