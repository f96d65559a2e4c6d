"""Exceptions of an exchange to a reason: the one place where foreign errors are mapped."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING

import httpx

from watcher.checking.body import BodyEncodingError, BodyTooLargeError
from watcher.model.outcome import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

# This machine has run out of something: the site is not to blame.
LOCAL_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.ENETDOWN})

# OpenSSL's X509_V_ERR_* codes, from x509_vfy.h.
_CERTIFICATE_FAULTS = {
    9: "the certificate is not yet valid",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the chain ends in a self-signed certificate that is not trusted",
    20: "the certificate is not trusted: its issuer is unknown, or missing in the chain",
    21: "the certificate is not trusted: its issuer is missing in the chain",
    62: "the certificate is for another host",
    64: "the certificate is for another IP address",
}
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_OLD_PROTOCOL = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"})


def fault_of(error: BaseException, phase: str | None) -> Fault | None:
    """Name the reason behind an exception of an exchange.

    On trio, httpx hides the causes: a TLS failure comes as `ConnectError('')`, a refused connection inside a group,
    both only in the context. So the whole tree of causes, contexts and groups is looked through.

    Args:
        error: what the exchange raised.
        phase: what ran when it was raised, as the stopwatch names it: a reset means another thing in each.

    Returns:
        the fault, or None for an exception that no site should be able to bring about.
    """
    tree = list(_tree(error))
    local = _local(tree)
    if local is not None:
        return local
    for find in (_dns, _tls, _redirect, _body, _protocol, _system, _network):
        for member in tree:
            fault = find(member, phase)
            if fault is not None:
                return fault
    return None


def _tree(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        member = waiting.pop(0)
        if id(member) in seen:
            continue
        seen.add(id(member))
        yield member
        if isinstance(member, BaseExceptionGroup):
            waiting.extend(member.exceptions)
        waiting.extend(other for other in (member.__cause__, member.__context__) if other is not None)


def _local(tree: list[BaseException]) -> Fault | None:
    """Blame this machine when every attempt failed for a local cause: where IPv6 has no route, IPv4 may tell more."""
    numbers = [error.errno for error in tree if isinstance(error, OSError) and error.errno]
    if numbers and all(number in LOCAL_ERRNOS for number in numbers):
        return Fault(Reason.LOCAL, f"this machine cannot connect: {os.strerror(numbers[0])}")
    return None


def _dns(error: BaseException, _phase: str | None) -> Fault | None:
    if isinstance(error, socket.gaierror):
        return Fault(Reason.DNS, f"the name cannot be resolved: {error.strerror or error}")
    return None


def _tls(error: BaseException, phase: str | None) -> Fault | None:
    if phase in {"processing", "transfer"}:
        return None  # the handshake was done: what breaks now is the exchange
    if phase == "tls" and isinstance(error, ConnectionError):
        return Fault(Reason.TLS, f"the TLS handshake failed: {os.strerror(error.errno or 0)}")
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _CERTIFICATE_FAULTS.get(error.verify_code)
        return Fault(Reason.TLS, known or f"the certificate is not valid: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError):
        return Fault(Reason.TLS, "the server closed the connection during the TLS handshake")
    if not isinstance(error, ssl.SSLError):
        return None
    if error.reason in _NOT_TLS:
        return Fault(Reason.TLS, "the server does not speak TLS on this port")
    if error.reason in _OLD_PROTOCOL:
        return Fault(Reason.TLS, "the server speaks only an old version of TLS")
    return Fault(Reason.TLS, f"the TLS handshake failed: {(error.reason or str(error)).lower().replace('_', ' ')}")


def _redirect(error: BaseException, _phase: str | None) -> Fault | None:
    if isinstance(error, httpx.TooManyRedirects):
        return Fault(Reason.REDIRECT, "too many redirects")
    if isinstance(error, httpx.UnsupportedProtocol):
        return Fault(Reason.REDIRECT, "redirected to what is no http or https address")
    # The address of a target was looked at before: only a redirect leads to a host that cannot be encoded.
    if isinstance(error, (httpx.InvalidURL, UnicodeError)) or (
        isinstance(error, httpx.RemoteProtocolError) and "Invalid URL" in str(error)
    ):
        return Fault(Reason.REDIRECT, "redirected to an address that is not valid")
    return None


def _body(error: BaseException, _phase: str | None) -> Fault | None:
    if isinstance(error, BodyTooLargeError):
        return Fault(Reason.TOO_LARGE, f"the body has more than {error.limit_bytes} bytes")
    if isinstance(error, BodyEncodingError):
        return Fault(Reason.PROTOCOL, str(error))
    return None


def _protocol(error: BaseException, _phase: str | None) -> Fault | None:
    if isinstance(error, httpx.ProtocolError):
        return Fault(Reason.PROTOCOL, str(error) or "the response is not HTTP")
    if isinstance(error, (httpx.ReadError, httpx.WriteError)):
        return Fault(Reason.PROTOCOL, "the connection was reset before the response was whole")
    return None


def _system(error: BaseException, _phase: str | None) -> Fault | None:
    if isinstance(error, OSError) and error.errno:
        return Fault(Reason.CONNECT, f"cannot connect: {os.strerror(error.errno)}")
    return None


def _network(error: BaseException, _phase: str | None) -> Fault | None:
    if isinstance(error, httpx.NetworkError):
        return Fault(Reason.CONNECT, str(error) or "cannot connect")
    return None
