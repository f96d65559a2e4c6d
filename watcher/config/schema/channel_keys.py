"""The keys of `channels`: where messages go, and how often."""

from __future__ import annotations

from typing import Annotated, Literal, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic takes none of before Python 3.12 but this

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
        Key("what the message is posted to", bounds=_HTTP, example="https://hooks.example/x", secret=True),
    ]
    url_file: Annotated[str | None, _URL_FILE]
    secret: Annotated[
        str | None,
        Key(
            "signs each message as [Standard Webhooks](https://www.standardwebhooks.com/) has it",
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
        Key("names and values that are sent along", bounds=SOME_KEYS, example="{X-Team: web}", secret=True),
    ]


@with_config(exactly_one_of("url", "url_file"))
class AlertmanagerKeys(TypedDict, total=False):
    """`alertmanager`."""

    url: Annotated[
        str | None,
        Key("where it is, without `/api/v2`", bounds=_HTTP, example="http://alertmanager:9093", secret=True),
    ]
    url_file: Annotated[str | None, _URL_FILE]


@with_config(exactly_one_of(*RECEIVER_KEYS))
class ChannelKeys(TypedDict, total=False):
    """An item of `channels`."""

    name: Required[
        Annotated[
            str,
            Key(
                "by which `alerts` name the channel",
                bounds={"pattern": r"\S", "maxLength": MAX_NAME_CHARS},
                example="ops",
            ),
        ]
    ]
    url: Annotated[
        str | None,
        Key(
            "any URL of [Apprise](https://appriseit.com/services/), which knows mail, chats and pagers",
            bounds={"pattern": f"^[A-Za-z0-9][A-Za-z0-9_.+-]*://|{VARIABLE_PATTERN}"},
            example="ntfys://ntfy.example/ops",
            secret=True,
        ),
    ]
    url_file: Annotated[str | None, _URL_FILE]
    webhook: Annotated[
        WebhookKeys | None,
        Key(
            "an HTTP endpoint that the message is posted to, as JSON",
            example='{url: "https://hooks.example/x"}',
            secret=True,
        ),
    ]
    exec: Annotated[
        list[str] | None,
        Key(
            "a program and its arguments, without a shell: the same JSON is on its standard input, and exit status 0 is"
            " delivered",
            bounds=SOME,
            example="[/usr/local/bin/page, --urgent]",
            secret=True,
        ),
    ]
    alertmanager: Annotated[
        AlertmanagerKeys | None,
        Key(
            "an Alertmanager of Prometheus, which is told what is open now; it groups, repeats and words that itself",
            example='{url: "http://alertmanager:9093"}',
            secret=True,
        ),
    ]
    default: Annotated[bool | None, Key("whether targets without `alerts` use it", default=True)]
    events: Annotated[
        list[EventName] | None,
        Key(
            "what it is told of; `degraded` may be added; `unknown` is only told where this monitor cannot tell about a"
            " site while it can about others",
            default=[topic.value for topic in Topic if topic in DEFAULT_TOPICS],
            bounds=SOME,
            example="[down, up, degraded]",
        ),
    ]
    group_wait: Annotated[
        Duration,
        Key(
            "changes within it are one message",
            default=f"{DEFAULT_GROUP_WAIT_SECONDS:g}s",
            bounds=_FROM_ZERO,
            example="30s",
        ),
    ]
    group_interval: Annotated[
        Duration,
        Key(
            "the least time between two messages of one group",
            default=f"{DEFAULT_GROUP_INTERVAL_SECONDS:g}s",
            bounds=_FROM_ZERO,
            example="5m",
        ),
    ]
    group_by: Annotated[
        list[Literal["group", "target"]] | None,
        Key(
            "`[]`: all that happens is one group; `[group]`: one for each group of targets; `[target]`: one for each"
            " target",
            default_text="`[]`",
            bounds={"maxItems": 1},
            example="[group]",
        ),
    ]
    reminder_interval: Annotated[
        Duration,
        Key(
            "time to the first reminder of what lasts; it doubles from one to the next, up to a day; 0: no reminders",
            default="4h",
            bounds=_FROM_ZERO,
            example="1h",
        ),
    ]
    quiet_hours: Annotated[
        list[QuietHoursKeys] | None,
        Key(
            "messages are kept back meanwhile, and what is still true afterwards is told in one",
            bounds=SOME,
            example='[{start: "22:00", end: "07:00", timezone: Europe/Berlin}]',
        ),
    ]
    timeout: Annotated[
        Duration,
        Key(
            f"the deadline of one delivery; up to {MAX_DELIVERY_TIMEOUT_SECONDS:g} s",
            default=f"{DEFAULT_DELIVERY_TIMEOUT_SECONDS:g}s",
            bounds=ABOVE_ZERO,
            example="20s",
        ),
    ]
    allow_private: Annotated[
        bool | None, Key("false: nothing is posted to private, loopback and link-local addresses", default=True)
    ]
    give_up_after: Annotated[
        Duration,
        Key("how long the delivery of a message is tried again", default="24h", bounds=ABOVE_ZERO, example="6h"),
    ]
    title: Annotated[
        str | None,
        Key(
            "a template of Jinja2 for the title",
            default_text="as in `Checkout is down`",
            bounds=_TEMPLATE,
            example='"{{ title }}"',
        ),
    ]
    body: Annotated[
        str | None,
        Key(
            "a template of Jinja2 for the text",
            default_text="what, since when, why, and the link to the page",
            bounds=_TEMPLATE,
            example='"{{ text }}"',
            secret=True,
        ),
    ]
