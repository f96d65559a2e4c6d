"""Tries once to deliver a notification. Trio."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
import trio

from watcher.alerting.channels.alertmanager import alerts_address, test_alert
from watcher.alerting.channels.answers import delivery_of
from watcher.alerting.channels.helper_command import COMMAND
from watcher.alerting.channels.helpers import HelperError, Helpers
from watcher.alerting.channels.http_post import post
from watcher.alerting.channels.program import run_program
from watcher.alerting.channels.webhook import UnusableSecretError, webhook_headers
from watcher.checking.http.resolver import Resolver
from watcher.checking.http.tls import TlsContexts
from watcher.checking.http.transport import Tools as HttpTools
from watcher.model.alerts.channel import AlertmanagerReceiver, AppriseReceiver, ExecReceiver, WebhookReceiver
from watcher.model.alerts.notification import Delivered, Kind, Refused, TryAgain
from watcher.model.clock_trust import utc_now, wall_seconds
from watcher.secrets.of_channels import masked_answer
from watcher.text.escaping import json_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Delivery, Notification

log = structlog.get_logger()

# For all templates of a message and the start of the helper process; half of the channel's timeout if that is less.
RENDER_SECONDS = 3.0
# Extra time for a helper or a program to report that it was cut off.
_LAST_WORDS_SECONDS = 1.0
# A text that lists one target a line is cut to this many lines in a chat; mail shows them all.
MAX_LINES_IN_A_CHAT = 10
_MAIL = frozenset(
    {"mailto", "mailtos", "brevo", "mailersend", "mailgun", "o365", "azure", "postmark", "resend", "sendgrid"}
    | {"sendpulse", "ses", "smtp2go", "sparkpost"}
)


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools that deliveries share.

    Attributes:
        http: of the transports; apart from those of the checks, so that a hanging name delays no check.
        helpers: the helper processes.
    """

    http: HttpTools
    helpers: Helpers


@asynccontextmanager
async def open_tools(resolver: Resolver | None = None, helper_command: Sequence[str] = COMMAND) -> AsyncIterator[Tools]:
    """Create the tools of deliveries; kill the helper processes at the end.

    Args:
        resolver: of names; the system's by default.
        helper_command: starts a helper process.
    """
    tools = Tools(HttpTools(resolver or Resolver(), TlsContexts()), Helpers(helper_command))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tools.helpers.end_idle)
            yield tools
            nursery.cancel_scope.cancel()
    finally:
        await tools.helpers.close()


async def deliver(notification: Notification, channel: Channel, tools: Tools) -> Delivery:
    """Try once to deliver a notification.

    This boundary stops every exception: a bug in one kind of channel must not stop the others.

    Args:
        notification: what to send.
        channel: where to send it; its timeout is for the whole try.
        tools: shared by all deliveries.

    Returns:
        the result, without secrets of the channel.
    """
    deadline = trio.current_time() + channel.timeout_seconds
    try:
        with trio.move_on_at(deadline + _LAST_WORDS_SECONDS):
            message = await _message(notification, channel, tools)
            return _with_complaint(await _deliver(message, channel, tools, deadline), message)
    except Exception as error:
        log.error("delivery failed inside watcher", channel=channel.name, exc_info=error)
        return TryAgain(f"{type(error).__name__} inside watcher; its log has more")
    return TryAgain(f"no answer within {channel.timeout_seconds:g} s")


async def post_alerts(alerts: Sequence[dict[str, Any]], channel: Channel, tools: Tools) -> Delivery:
    """Post alerts once to the Alertmanager of a channel.

    Args:
        alerts: see `alert_of`.
        channel: its receiver is an Alertmanager.
        tools: shared by all deliveries.
    """
    assert isinstance(channel.receiver, AlertmanagerReceiver)
    body = json_line(list(alerts)).encode("ascii")
    return await _post(alerts_address(channel.receiver.url), body, (), channel, tools, channel.timeout_seconds)


class _Message(NamedTuple):
    """A notification with the texts of its channel.

    Attributes:
        complaint: why the default text replaces that of the template.
        is_template: whether the body comes from a template.
    """

    notification: Notification
    payload: dict[str, Any]
    complaint: str | None = None
    is_template: bool = False

    @property
    def body(self) -> bytes:
        """The JSON body, as sent."""
        return json_line(self.payload).encode("ascii")


async def _message(notification: Notification, channel: Channel, tools: Tools) -> _Message:
    payload = dict(notification.payload)
    if channel.title is None and channel.body is None:
        return _Message(notification, payload)
    job = {"do": "render", "title": channel.title, "body": channel.body, "payload": payload}
    try:
        answer = await tools.helpers.ask(job, min(RENDER_SECONDS, channel.timeout_seconds / 2))
    except HelperError as error:
        answer = {"complaints": [str(error)]}
    complaints = answer.get("complaints") or ([] if answer.get("ok") else [answer.get("words", "")])
    if "title" in answer:
        payload["title"] = answer["title"]
    if "body" in answer:
        payload["text"] = answer["body"]
    return _Message(notification, payload, "; ".join(complaints) or None, is_template="body" in answer)


def _with_complaint(delivery: Delivery, message: _Message) -> Delivery:
    if message.complaint is None or not isinstance(delivery, Delivered):
        return delivery
    return Delivered(f"{delivery.answer} (with the default text, since the template failed: {message.complaint})")


async def _deliver(message: _Message, channel: Channel, tools: Tools, deadline: float) -> Delivery:
    receiver, left = channel.receiver, max(deadline - trio.current_time(), 0.0)
    if isinstance(receiver, ExecReceiver):
        return await run_program(receiver, message.body, channel, left)
    if isinstance(receiver, AppriseReceiver):
        return await _send_by_apprise(receiver, message, channel, tools, left)
    if isinstance(receiver, WebhookReceiver):
        body = message.body
        try:
            headers = webhook_headers(str(message.notification.id), int(wall_seconds()), body, receiver.secret)
        except UnusableSecretError as error:
            return Refused(str(error))
        return await _post(receiver.url, body, (*receiver.headers, *headers), channel, tools, left)
    if message.notification.kind is Kind.TEST:
        alert = test_alert(utc_now(), message.payload["title"], message.payload["text"])
        return await post_alerts([alert], channel, tools)
    return Refused("an Alertmanager accepts alerts, not messages")


async def _post(
    url: str, body: bytes, headers: Sequence[tuple[str, str]], channel: Channel, tools: Tools, timeout_seconds: float
) -> Delivery:
    answer = await post(
        url, body, headers, tools.http, timeout_seconds=timeout_seconds, allow_private=channel.allow_private
    )
    return delivery_of(answer, channel, utc_now())


async def _send_by_apprise(
    receiver: AppriseReceiver, message: _Message, channel: Channel, tools: Tools, timeout_seconds: float
) -> Delivery:
    is_whole = message.is_template or receiver.url.partition("://")[0].lower() in _MAIL
    job = {
        "do": "send",
        "url": receiver.url,
        "title": message.payload["title"],
        "body": message.payload["text"] if is_whole else short_text(message.payload),
        "kind": str(message.notification.kind),
        "is_template": message.is_template,
        "allow_private": channel.allow_private,
    }
    try:
        answer = await tools.helpers.ask(job, timeout_seconds)
    except HelperError as error:
        return TryAgain(str(error))
    words = masked_answer(answer["words"], channel) or "the service gave no reason"
    if answer["ok"]:
        return Delivered(words)
    return Refused(words) if answer["permanent"] else TryAgain(words)


def short_text(payload: Mapping[str, Any]) -> str:
    """Return the default text of a message; a list of many targets is cut to a few lines."""
    lines = str(payload["text"]).split("\n")
    listed = [index for index, line in enumerate(lines) if line.startswith("- ")]
    if len(listed) <= MAX_LINES_IN_A_CHAT:
        return "\n".join(lines)
    left_out = len(payload["targets"]) + payload["more"] - MAX_LINES_IN_A_CHAT
    behind = [line for line in lines[listed[-1] + 1 :] if not line.startswith("and ")]
    return "\n".join([*lines[: listed[MAX_LINES_IN_A_CHAT]], f"and {left_out} more", *behind])
