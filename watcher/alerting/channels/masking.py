"""What is secret of a channel, taken out of what its receiver says. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from watcher.model.alerts.channel import AlertmanagerReceiver, AppriseReceiver, ExecReceiver, WebhookReceiver
from watcher.model.headers import HARMLESS_HEADERS, HEADERS_OF_A_BODY
from watcher.model.target import basic_authorization
from watcher.secrets.of_targets import masked_line, ways_to_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watcher.model.alerts.channel import Channel, Receiver

# Of what a receiver says; the first words tell the most.
MAX_ANSWER_CHARS = 200

# Words in the addresses of many services, and in what these say. They are no secrets, and to mask them would leave
# nothing to read.
_WORDS_OF_PATHS = frozenset(
    {"alert", "alerts", "api", "chat", "hook", "hooks", "json", "message", "messages", "notification", "notifications"}
    | {"notify", "push", "room", "rooms", "send", "services", "text", "webhook", "webhooks", "workflows"}
    | {"false", "html", "markdown", "mode", "true"}
)
_HTTP = frozenset({"http", "https"})
_BETWEEN_PIECES = re.compile(r"[/?#&=:@,;\s]+")
_PORT = re.compile(r":\d*$")


def masked_answer(text: str, channel: Channel, limit_chars: int = MAX_ANSWER_CHARS) -> str:
    """Make what a receiver said fit for a row and a line: its secrets masked, on one line, cut where it is too long.

    Args:
        text: in words; it may quote the receiver.
        channel: whose secrets may stand in it.
        limit_chars: the longest result, in characters.
    """
    return masked_words(text, secrets_of_receiver(channel.receiver), limit_chars)


def masked_words(text: str, secrets: Iterable[str], limit_chars: int = MAX_ANSWER_CHARS) -> str:
    """Do the same with the secrets that are given."""
    forms = dict.fromkeys(form for secret in secrets for form in ways_to_write(secret))
    return masked_line(text.strip(), tuple(forms), limit_chars)


def secrets_of_url(url: str) -> Iterator[str]:
    """Yield what may be a secret in the address of a service: userinfo, parts of the path, values of the query.

    The token of a chat stands in the path, and with some services of Apprise in the place of the host, which has no dot
    then.
    """
    scheme, _, rest = url.partition("://")
    authority, slash, path = re.sub("[?#]", r"/\g<0>", rest, count=1).partition("/")
    userinfo, at, host = authority.rpartition("@")
    host = _PORT.sub("", host)
    if at:
        name, _, password = userinfo.partition(":")
        yield from (userinfo, unquote(userinfo), name, unquote(name), password, unquote(password))
        yield basic_authorization(unquote(name), unquote(password)).removeprefix("Basic ")
    if "." not in host and host != "localhost" and not host.startswith("[") and scheme.lower() not in _HTTP:
        yield from (host, unquote(host))
    if slash:
        yield path
    for piece in _BETWEEN_PIECES.split(path):
        if piece.lower() not in _WORDS_OF_PATHS:
            yield from (piece, unquote(piece), unquote_plus(piece))


def secrets_of_receiver(receiver: Receiver) -> Iterator[str]:
    """Yield what is secret of a channel, each as it is configured."""
    if isinstance(receiver, AppriseReceiver | AlertmanagerReceiver | WebhookReceiver):
        yield from secrets_of_url(receiver.url)
    if isinstance(receiver, ExecReceiver):
        yield from (argument for argument in receiver.command[1:] if not argument.startswith("-"))
    if isinstance(receiver, WebhookReceiver):
        if receiver.secret is not None:
            yield from (receiver.secret, receiver.secret.removeprefix("whsec_"))
        for name, value in receiver.headers:
            if name.lower() not in HARMLESS_HEADERS | HEADERS_OF_A_BODY:
                yield from (value, value.partition(" ")[2].strip())
