"""Removes the secrets of a channel from the answers of its receiver. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from watcher.model.alerts.channel import AppriseReceiver, ExecReceiver
from watcher.secrets.of_channels import secrets_of_channel
from watcher.secrets.of_targets import masked_line, ways_to_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.model.alerts.channel import Channel

# Of an answer; the first words tell the most.
MAX_ANSWER_CHARS = 200

# Common words in the addresses of many services and in their answers. They are not secrets, and masking them would
# leave nothing to read.
WORDS_OF_PATHS = frozenset(
    {"alert", "alerts", "api", "chat", "hook", "hooks", "json", "message", "messages", "notification", "notifications"}
    | {"notify", "push", "room", "rooms", "send", "services", "text", "webhook", "webhooks", "workflows"}
    | {"false", "html", "insecure", "markdown", "mode", "true"}
)
_BETWEEN_PIECES = re.compile(r"[/?#&=:@,;\s]+")
_PORT = re.compile(r":\d*$")


def masked_answer(text: str, channel: Channel, limit_chars: int = MAX_ANSWER_CHARS) -> str:
    """Prepare an answer for a row and a log line: masked, on one line, and cut if it is too long.

    Args:
        channel: the receiver's.
        channel: whose secrets may stand in it.
        limit_chars: the longest result, in characters.
    """
    return masked_line(text.strip(), _forms_of(channel), limit_chars)


@lru_cache(256)
def _forms_of(channel: Channel) -> tuple[str, ...]:
    pieces = [form for piece in _pieces_of(channel) for form in ways_to_write(piece)]
    return tuple(dict.fromkeys([*secrets_of_channel(channel), *pieces]))


def _pieces_of(channel: Channel) -> Iterator[str]:
    """Yield each piece of a channel's address, since the receiver's answer may quote any of them.

    In some Apprise addresses a token stands in place of the host; it has no dot then.
    """
    receiver = channel.receiver
    if isinstance(receiver, ExecReceiver):
        return
    rest = receiver.url.partition("://")[2]
    authority, slash, path = re.sub("[?#]", r"/\g<0>", rest, count=1).partition("/")
    host = _PORT.sub("", authority.rpartition("@")[2])
    if isinstance(receiver, AppriseReceiver) and "." not in host and host != "localhost" and not host.startswith("["):
        yield from (host, unquote(host))
    if slash:
        yield path
    for piece in _BETWEEN_PIECES.split(path):
        if piece not in WORDS_OF_PATHS:
            yield from (piece, unquote(piece), unquote_plus(piece))
