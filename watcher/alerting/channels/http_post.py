"""Posts to an HTTP receiver through the transport of the checks. Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import trio

from watcher import __version__
from watcher.alerting.channels.answers import Answer
from watcher.checking.http.body import BodyReader, BodyTooLargeError
from watcher.checking.http.exchange import Request
from watcher.checking.http.faults import fault_of
from watcher.checking.http.redirects import url_of
from watcher.checking.http.stopwatch import STEP_NAMES
from watcher.checking.http.transport import Transport
from watcher.model.outcome import Fault, Reason
from watcher.model.target import Connecting, basic_authorization

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.checking.http.transport import Response, Tools

# Bytes read of an answer, before and after decompression; one line of it is shown.
MAX_ANSWER_BYTES = 16 * 1024
# The status decides alone: a receiver that drips the rest must not delay the channel.
ANSWER_TEXT_SECONDS = 1.0


async def post(
    url: str,
    body: bytes,
    headers: Iterable[tuple[str, str]],
    tools: Tools,
    *,
    timeout_seconds: float,
    allow_private: bool,
) -> Answer | Fault:
    """Post JSON to an address; redirects are not followed.

    Args:
        url: of the receiver; userinfo becomes an `Authorization` header.
        body: the JSON.
        headers: added to the usual ones, or replacing those of the same name.
        tools: of the transports.
        timeout_seconds: the deadline, from DNS to the status line.
        allow_private: whether private addresses are allowed.

    Returns:
        the answer, or the reason why none came.
    """
    transport = Transport(tools, Connecting(allow_private=allow_private))
    transport.deadline = trio.current_time() + timeout_seconds
    response: Response | None = None
    text = bytearray()
    try:
        with trio.CancelScope(deadline=transport.deadline):
            request = Request("POST", url_of(url), _headers(url, headers, len(body)), body)
            response = await transport.ask(request)
            await _read(response, text)
    except Exception as error:
        if response is None:
            fault = fault_of(error, transport.stopwatch.step)
            if fault is None:
                raise
            return fault
        # The status has arrived, and the rest of the answer decides nothing.
        if fault_of(error, "transfer") is None:
            raise
    finally:
        transport.close()
    if response is None:
        step = STEP_NAMES[transport.stopwatch.step or "connect"]
        return Fault(Reason.TIMEOUT, f"no answer within {round(timeout_seconds, 1):g} s: cut off while {step}")
    return _answer_of(response, text)


async def _read(response: Response, text: bytearray) -> None:
    reader = BodyReader(_value_of(b"content-encoding", response) or "", MAX_ANSWER_BYTES)
    try:
        with trio.move_on_after(ANSWER_TEXT_SECONDS):
            await reader.read(response.connection.receive_body)
    except BodyTooLargeError:
        pass
    finally:
        if reader.is_decoded:
            text += reader.content[:MAX_ANSWER_BYTES]


def _answer_of(response: Response, text: bytes | bytearray) -> Answer:
    head = response.head
    return Answer(
        status_code=head.status_code,
        reason_phrase=head.reason_phrase.decode("ascii", "ignore"),
        text=text.decode("utf-8", "replace"),
        retry_after=_value_of(b"retry-after", response),
        location=_value_of(b"location", response),
    )


def _headers(url: str, others: Iterable[tuple[str, str]], length: int) -> tuple[tuple[bytes, bytes], ...]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"watcher/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        "Connection": "close",
    }
    parts = urlsplit(url)
    if parts.username or parts.password:
        headers["Authorization"] = basic_authorization(unquote(parts.username or ""), unquote(parts.password or ""))
    others = tuple(others)
    replaced = {name.lower() for name, _ in others}
    pairs = [(name, value) for name, value in headers.items() if name.lower() not in replaced]
    pairs += [(name, value) for name, value in others if name.lower() != "content-length"]
    pairs.append(("Content-Length", str(length)))
    return tuple((name.encode("ascii"), value.encode("utf-8")) for name, value in pairs)


def _value_of(name: bytes, response: Response) -> str | None:
    return next((value.decode("utf-8", "replace") for key, value in response.head.headers if key == name), None)
