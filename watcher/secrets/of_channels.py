"""What of channels nobody may read: addresses with tokens in them, headers, and what messages are signed with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from watcher.model.alerts.channel import AlertmanagerReceiver, AppriseReceiver, ExecReceiver, WebhookReceiver
from watcher.secrets.of_targets import (
    MIN_SECRET_CHARS,
    parts_of_address,
    parts_of_header,
    parts_of_userinfo,
    ways_to_write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.options import AlertingOptions

# Of a piece of an address, nobody can tell whether it is a token or a word, such as the name of a topic. A token is
# long, and most have digits in them.
MIN_TOKEN_CHARS = 8
MIN_WORD_CHARS = 20

_DIGIT = re.compile("[0-9]")
_PORT = re.compile("[0-9]{1,5}")
_BETWEEN = re.compile("[/?&=#;,@:]+")


def secrets_of_channel(channel: Channel) -> tuple[str, ...]:
    """List what of a channel may stand in no line, no row and no answer, in all the ways in which it may be written."""
    found = _parts_of_channel(channel)
    return tuple(dict.fromkeys(form for secret in found for form in ways_to_write(secret)))


def secrets_of_alerting(alerting: AlertingOptions) -> tuple[str, ...]:
    """List what of channels, heartbeat and connectivity may stand in no line of the log.

    Args:
        alerting: of whose channels the whole address, the tokens in it, headers, arguments of programs that look like
            tokens and the secret for signing are secrets; of the address of an Alertmanager, only userinfo and query.

    Returns:
        each secret that is long enough to be masked, as it is configured.
    """
    found = [part for channel in alerting.channels for part in _parts_of_channel(channel)]
    if alerting.heartbeat is not None:
        found += _parts_of_url(alerting.heartbeat.url)
    if alerting.connectivity is not None:
        found += (part for address in alerting.connectivity.targets for part in parts_of_address(address))
    return tuple(dict.fromkeys(part for part in found if len(part) >= MIN_SECRET_CHARS))


def _parts_of_channel(channel: Channel) -> Iterator[str]:
    receiver = channel.receiver
    if isinstance(receiver, AlertmanagerReceiver):
        yield from parts_of_address(receiver.url)
        return
    if isinstance(receiver, ExecReceiver):
        for argument in receiver.command[1:]:
            yield from filter(_is_token, _BETWEEN.split(argument))
        return
    yield from _parts_of_url(receiver.url)
    if isinstance(receiver, AppriseReceiver):
        yield from _tokens_in_host(receiver.url)
    if isinstance(receiver, WebhookReceiver):
        for _, value in receiver.headers:
            yield from parts_of_header(value)
        yield from (receiver.secret or "", (receiver.secret or "").removeprefix("whsec_"))


def _tokens_in_host(url: str) -> Iterator[str]:
    """Yield what stands in the place of the host, where that is a token, as in `tgram://123456789:abc/`."""
    host = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
    if "." in host:
        return
    first, _, second = host.partition(":")
    if second and not _PORT.fullmatch(second):
        yield from (host, first, second)
    yield from filter(_is_token, (first, second))


def _parts_of_url(url: str) -> Iterator[str]:
    yield url
    yield url.partition("://")[2]
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    yield from parts_of_userinfo(url)
    for piece in _BETWEEN.split(f"{parts.path}/{parts.query}/{parts.fragment}"):
        if _is_token(piece):
            yield from (piece, unquote(piece))


def _is_token(text: str) -> bool:
    return len(text) >= (MIN_TOKEN_CHARS if _DIGIT.search(text) else MIN_WORD_CHARS)
