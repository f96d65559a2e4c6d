"""The shape of `config.yaml`: which keys there are, what kind of value each takes, and what is said of it to users.

It is the one source: `docs/configuration.md` and `config/schema.json` are made from it.
"""

from __future__ import annotations

from typing import Annotated, Required

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic takes none of before Python 3.12 but this

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
    """What nearly all entries say."""

    group: Annotated[str | None, Key("what the target belongs to, as a shop or a team", bounds=_NAME, example="shop")]
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
            "the deadline of one attempt, from DNS to the last byte, redirects included; not above the interval",
            default=int(DEFAULT_TIMEOUT_SECONDS),
            default_text=f"{DEFAULT_TIMEOUT_SECONDS:g}, or the interval if that is less",
            bounds=ABOVE_ZERO,
            example="5s",
        ),
    ]


@with_config(_ONE_AUTHORIZATION)
class Options(BasicOptions, SendingOptions, ExpectedOptions, ConnectingOptions, ToldOptions, total=False):
    """What may stand in `defaults` and in each entry of `urls`."""

    retries: Annotated[
        int | None,
        Key(
            "so many more attempts for a check that fails, inside its slot; the last one counts; from 0 to"
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
            "time between two checks while a change is not confirmed; from"
            f" {SHORTEST_INTERVAL_SECONDS:g} s to the interval, also below `MIN_INTERVAL_VAL`; in `defaults`, one above"
            " a target's interval does not hold for it",
            STATE,
            default_text="the interval",
            bounds={"minimum": SHORTEST_INTERVAL_SECONDS},
            example="5s",
        ),
    ]
    failure_threshold: Annotated[
        int | None,
        Key(
            f"so many failing checks in a row make a target down; from 1 to {MAX_THRESHOLD}",
            STATE,
            default=DEFAULT_THRESHOLDS.failure,
            bounds=_THRESHOLD,
        ),
    ]
    success_threshold: Annotated[
        int | None,
        Key(
            f"so many good ones make it up again; from 1 to {MAX_THRESHOLD}",
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
            "the places that watch the target, by their `WATCHER_LOCATION`, and decide together where it stands; up to"
            f" {MAX_LOCATIONS}; `[]` for none, which takes away those of `defaults`",
            STATE,
            default_text="each place that has it in its file watches it for itself",
            bounds={"uniqueItems": True, "maxItems": MAX_LOCATIONS},
            example="[fra, nyc, sgp]",
        ),
    ]
    quorum: Annotated[
        int | None,
        Key(
            "so many places must say that the target is down; from 1 to the number of `locations`; in `defaults`, one"
            " above that number does not hold for a target",
            STATE,
            default_text="more than half of `locations`",
            bounds={"minimum": 1},
            example="2",
        ),
    ]


@with_config(_ONE_AUTHORIZATION)
class UrlEntry(Options, total=False):
    """One entry of `urls`.

    Of a hundred thousand mappings with only the keys that are written, each is a fifth of an object with all.
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
            "the history of a target hangs on it",
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
                "what to watch",
                bounds=SOME,
                example="[{address: https://example.com/}]",
            ),
        ]
    ]
    defaults: Annotated[
        Options | None,
        Key(
            "what holds for every entry that does not say otherwise: any key but `address` and `name`",
            example="{interval: 10}",
        ),
    ]
    page: Annotated[
        PageKeys | None,
        Key("how the status page looks, and what of it the public sees", example='{title: "Status of Example"}'),
    ]
    channels: Annotated[
        list[ChannelKeys] | None,
        Key("where alerts go", bounds=SOME, example='[{name: ops, url: "ntfys://ntfy.example/ops"}]'),
    ]
    connectivity: Annotated[
        ConnectivityKeys | None,
        Key(
            "sites that tell whether this machine has a network: while none of them answers, targets are `unknown`, not"
            " `down`",
            example='{targets: ["https://one.one.one.one/", "https://dns.google/"]}',
        ),
    ]
    heartbeat: Annotated[
        HeartbeatKeys | None,
        Key(
            "an address that is called while checks start on time and what they find is stored, so that its owner tells"
            " when they do not",
            example='{url: "https://hc-ping.example/uuid"}',
            secret=True,
        ),
    ]
    maintenance: Annotated[
        list[MaintenanceKeys] | None,
        Key(
            "windows in which targets are not expected to work: all, or those of a group or with some names",
            bounds=SOME,
            example='[{start: "2026-12-01T22:00", duration: 2h, timezone: Europe/Berlin}]',
        ),
    ]


# The mappings that there are, by the key that holds one (None: the file).
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
# What the keys of a mapping may be, by the key that holds the mapping.
KNOWN_KEYS: dict[str | None, tuple[str, ...]] = {
    holder: tuple(sorted(shape.__annotations__, key=lambda name: name not in _FIRST_KEYS))
    for holder, shape in SHAPES.items()
}


def all_keys() -> dict[str, Key]:
    """Return every key that may stand anywhere in the file; of a name with two meanings, the one that comes first."""
    return {name: key for shape in reversed(SHAPES.values()) for name, key in keys_of(shape).items()}
