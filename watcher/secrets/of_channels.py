"""Lists the secrets of channels, and masks the answers of their receivers. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from watcher.model.alerts.channel import AlertmanagerReceiver, AppriseReceiver, ExecReceiver, WebhookReceiver
from watcher.secrets.masking import forms_of, masked_line
from watcher.secrets.of_targets import parts_of_address, parts_of_header, parts_of_userinfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.options import AlertingOptions

# Of an answer; its first words are the most useful.
MAX_ANSWER_CHARS = 200

# Words in the addresses and the answers of many services: masking them would leave nothing to read.
WORDS_OF_PATHS = frozenset(
    {"alert", "alerts", "api", "chat", "hook", "hooks", "json", "message", "messages", "notification", "notifications"}
    | {"notify", "push", "room", "rooms", "send", "services", "text", "webhook", "webhooks", "workflows"}
    | {"false", "html", "insecure", "markdown", "mode", "true"}
)
# In the log, a piece of an address or an argument may be a word, such as the name of a topic. Tokens have at least
# this length, and most have digits.
MIN_TOKEN_CHARS = 8
MIN_WORD_CHARS = 20

_BETWEEN = re.compile(r"[/?#&=:@,;\s]+")


def masked_answer(text: str, channel: Channel, limit_chars: int = MAX_ANSWER_CHARS) -> str:
    """Return the text of a receiver as one line of limited length, without the secrets of the channel.

    Args:
        text: in words; it may quote the receiver.
        channel: each piece of its address but the host is masked: receivers quote more of it than others do.
        limit_chars: the longest result, in characters.
    """
    return masked_line(text.strip(), _forms_of(channel), limit_chars)


def secrets_of_alerting(alerting: AlertingOptions) -> tuple[str, ...]:
    """Return the secrets of channels, heartbeat and connectivity to mask in the log; of addresses, only the tokens."""
    found = [part for channel in alerting.channels for part in _parts_of(channel, _is_token)]
    if alerting.heartbeat is not None:
        found += _parts_of_url(alerting.heartbeat.url, _is_token)
    if alerting.connectivity is not None:
        found += (part for address in alerting.connectivity.targets for part in parts_of_address(address))
    return tuple(dict.fromkeys(found))


@lru_cache(256)
def _forms_of(channel: Channel) -> tuple[str, ...]:
    return forms_of(_parts_of(channel, lambda piece: piece not in WORDS_OF_PATHS))


def _parts_of(channel: Channel, is_secret: Callable[[str], bool]) -> Iterator[str]:
    receiver = channel.receiver
    if isinstance(receiver, ExecReceiver):
        for argument in receiver.command[1:]:
            yield from filter(_is_token, _BETWEEN.split(argument))
        return
    yield from _parts_of_url(receiver.url, is_secret, is_secret_whole=not isinstance(receiver, AlertmanagerReceiver))
    host = _split(receiver.url)[0]
    if isinstance(receiver, AppriseReceiver) and "." not in host and not host.startswith(("[", "localhost")):
        # The host is a token, as in `tgram://123456789:abc/`; the text after the colon may be a port.
        first, _, second = host.partition(":")
        yield from filter(is_secret, (first, unquote(first)))
        yield from () if re.fullmatch("[0-9]{0,5}", second) else (host, second)
    if isinstance(receiver, WebhookReceiver):
        yield from (part for _, value in receiver.headers for part in parts_of_header(value))
        yield from (receiver.secret or "", (receiver.secret or "").removeprefix("whsec_"))


def _parts_of_url(url: str, is_secret: Callable[[str], bool], *, is_secret_whole: bool = True) -> Iterator[str]:
    yield from (url, url.partition("://")[2]) if is_secret_whole else ()
    yield from parts_of_userinfo(url) if is_secret_whole else parts_of_address(url)
    path = _split(url)[1]
    for piece in filter(is_secret, (path, *_BETWEEN.split(path))):
        yield from (piece, unquote(piece), unquote_plus(piece))


def _split(url: str) -> tuple[str, str]:
    """Return the host with its port, and what follows."""
    authority, _, path = re.sub("[/?#]", "\0", url.partition("://")[2], count=1).partition("\0")
    return authority.rpartition("@")[2], path


def _is_token(text: str) -> bool:
    return len(text) >= (MIN_TOKEN_CHARS if re.search("[0-9]", text) else MIN_WORD_CHARS)
