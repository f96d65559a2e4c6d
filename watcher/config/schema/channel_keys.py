"""The keys of `channels`: where and how often messages are sent."""

from __future__ import annotations

from typing import Annotated, Literal, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from watcher.config.schema.keys import Key
from watcher.config.schema.limits import MAX_DELIVERY_TIMEOUT_SECONDS, MAX_NAME_CHARS, MAX_TEMPLATE_CHARS
from watcher.config.schema.value_types import (
    ABOVE_ZERO,
    FILLED,
    SOME,
    SOME_KEYS,
    VARIABLE_PATTERN,
    Duration,
    exactly_one_of,
)
from watcher.config.schema.window_keys import QuietHoursKeys  # noqa: TC001  # pydantic reads it
from watcher.model.alerts.channel import (
    DEFAULT_DELIVERY_TIMEOUT_SECONDS,
    DEFAULT_GROUP_INTERVAL_SECONDS,
    DEFAULT_GROUP_WAIT_SECONDS,
    DEFAULT_TOPICS,
    Topic,
)

RECEIVER_KEYS = ("url", "url_file", "webhook", "exec", "alertmanager")
EventName = Literal["down", "up", "degraded", "unknown", "certificate", "flapping"]

_HTTP = {"pattern": f"^[Hh][Tt][Tt][Pp][Ss]?://|{VARIABLE_PATTERN}"}
_FROM_ZERO = {"minimum": 0}
_URL_FILE = Key("path of a file with the URL instead", bounds=FILLED, example="/run/secrets/url")
_TEMPLATE = {"minLength": 1, "maxLength": MAX_TEMPLATE_CHARS}


@with_config(exactly_one_of("url", "url_file"))
class WebhookKeys(TypedDict, total=False):
    """`webhook`."""

    url: Annotated[
        str | None,
        Key("the URL to post the message to", bounds=_HTTP, example="https://hooks.example/x", secret=True),
    ]
    url_file: Annotated[str | None, _URL_FILE]
    secret: Annotated[
        str | None,
        Key(
            "signs each message, as in [Standard Webhooks](https://www.standardwebhooks.com/)",
            bounds=FILLED,
            example="${HOOK_SECRET}",
            secret=True,
        ),
    ]
    secret_file: Annotated[
        str | None, Key("path of a file with the secret instead", bounds=FILLED, example="/run/secrets/hook")
    ]
    headers: Annotated[
        dict[str, str] | None,
        Key("names and values to send with the message", bounds=SOME_KEYS, example="{X-Team: web}", secret=True),
    ]


@with_config(exactly_one_of("url", "url_file"))
class AlertmanagerKeys(TypedDict, total=False):
    """`alertmanager`."""

    url: Annotated[
        str | None,
        Key("its URL, without `/api/v2`", bounds=_HTTP, example="http://alertmanager:9093", secret=True),
    ]
    url_file: Annotated[str | None, _URL_FILE]


@with_config(exactly_one_of(*RECEIVER_KEYS))
class ChannelKeys(TypedDict, total=False):
    """An item of `channels`."""

    name: Required[
        Annotated[
            str,
            Key(
                "name of the channel, for `alerts`",
                bounds={"pattern": r"\S", "maxLength": MAX_NAME_CHARS},
                example="ops",
            ),
        ]
    ]
    url: Annotated[
        str | None,
        Key(
            "any [Apprise](https://appriseit.com/services/) URL, for mail, chats and pagers",
            bounds={"pattern": f"^[A-Za-z0-9][A-Za-z0-9_.+-]*://|{VARIABLE_PATTERN}"},
            example="ntfys://ntfy.example/ops",
            secret=True,
        ),
    ]
    url_file: Annotated[str | None, _URL_FILE]
    webhook: Annotated[
        WebhookKeys | None,
        Key(
            "an HTTP endpoint that receives the message as JSON",
            example='{url: "https://hooks.example/x"}',
            secret=True,
        ),
    ]
    exec: Annotated[
        list[str] | None,
        Key(
            "a program and its arguments, run without a shell: it reads the same JSON from standard input, and exit"
            " status 0 means delivered",
            bounds=SOME,
            example="[/usr/local/bin/page, --urgent]",
            secret=True,
        ),
    ]
    alertmanager: Annotated[
        AlertmanagerKeys | None,
        Key(
            "a Prometheus Alertmanager; it receives the open alerts, and groups, repeats and words them itself",
            example='{url: "http://alertmanager:9093"}',
            secret=True,
        ),
    ]
    default: Annotated[bool | None, Key("whether targets without `alerts` use the channel", default=True)]
    events: Annotated[
        list[EventName] | None,
        Key(
            "the events to send; `degraded` may be added; `unknown` is sent only if this monitor cannot tell the state"
            " of a site while it can for others",
            default=[topic.value for topic in Topic if topic in DEFAULT_TOPICS],
            bounds=SOME,
            example="[down, up, degraded]",
        ),
    ]
    group_wait: Annotated[
        Duration,
        Key(
            "changes within this time are sent in one message",
            default=f"{DEFAULT_GROUP_WAIT_SECONDS:g}s",
            bounds=_FROM_ZERO,
            example="30s",
        ),
    ]
    group_interval: Annotated[
        Duration,
        Key(
            "minimum time between two messages of one group",
            default=f"{DEFAULT_GROUP_INTERVAL_SECONDS:g}s",
            bounds=_FROM_ZERO,
            example="5m",
        ),
    ]
    group_by: Annotated[
        list[Literal["group", "target"]] | None,
        Key(
            "`[]`: one message group for everything; `[group]`: one for each group of targets; `[target]`: one for each"
            " target",
            default_text="`[]`",
            bounds={"maxItems": 1},
            example="[group]",
        ),
    ]
    reminder_interval: Annotated[
        Duration,
        Key(
            "time to the first reminder of an open incident; it doubles with each reminder, up to a day; 0: no"
            " reminders",
            default="4h",
            bounds=_FROM_ZERO,
            example="1h",
        ),
    ]
    quiet_hours: Annotated[
        list[QuietHoursKeys] | None,
        Key(
            "messages are held back during these hours; afterwards, what is still true is sent in one message",
            bounds=SOME,
            example='[{start: "22:00", end: "07:00", timezone: Europe/Berlin}]',
        ),
    ]
    timeout: Annotated[
        Duration,
        Key(
            f"deadline of one delivery; up to {MAX_DELIVERY_TIMEOUT_SECONDS:g} s",
            default=f"{DEFAULT_DELIVERY_TIMEOUT_SECONDS:g}s",
            bounds=ABOVE_ZERO,
            example="20s",
        ),
    ]
    allow_private: Annotated[
        bool | None, Key("false: private, loopback and link-local addresses are refused", default=True)
    ]
    give_up_after: Annotated[
        Duration,
        Key("how long the delivery of a message is retried", default="24h", bounds=ABOVE_ZERO, example="6h"),
    ]
    title: Annotated[
        str | None,
        Key(
            "Jinja2 template for the title",
            default_text="as in `Checkout is down`",
            bounds=_TEMPLATE,
            example='"{{ title }}"',
        ),
    ]
    body: Annotated[
        str | None,
        Key(
            "Jinja2 template for the text",
            default_text="the event, its time and reason, and a link to the page",
            bounds=_TEMPLATE,
            example='"{{ text }}"',
            secret=True,
        ),
    ]
