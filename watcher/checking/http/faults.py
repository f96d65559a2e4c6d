"""Maps exceptions of an exchange to reasons: the one place that maps foreign errors."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from typing import TYPE_CHECKING

from watcher.checking.http.body import BodyTooLargeError
from watcher.checking.http.content_codings.decoders import BodyEncodingError
from watcher.checking.http.dial import BlockedAddressError, LocalConnectError
from watcher.checking.http.http1 import ProtocolError
from watcher.checking.http.proxies import ProxyError
from watcher.checking.http.redirects import RedirectError
from watcher.checking.http.resolver import NoRouteError
from watcher.checking.http.tls import NoCommonVersionError, TlsFilesError
from watcher.model.outcome import Fault, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

# This machine has run out of a resource: the site is not to blame.
LOCAL_ERRNOS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.ENETDOWN}
    | {errno.EACCES, errno.EPERM}  # a local firewall
    | {errno.ENODEV}  # the zone of an IPv6 address
)
_OF_THIS_MACHINE = (LocalConnectError, NoRouteError)

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


def fault_of(error: BaseException, step: str | None) -> Fault | None:
    """Return the reason behind an exception of an exchange.

    The whole tree of causes, contexts and groups is searched: several addresses fail in a group, and a library's
    exception may hide the system's error.

    Args:
        error: the exception of the exchange.
        step: the step that raised it, as named by the stopwatch: a reset means something different in each.

    Returns:
        the fault, or None for an exception that no site should be able to cause.
    """
    tree = list(_tree(error))
    local = _local(tree)
    if local is not None:
        return local
    for find in (_dns, _blocked, _tls, _redirect, _body, _protocol, _system):
        for member in tree:
            fault = find(member, step)
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
        if not isinstance(member, _OF_THIS_MACHINE):  # these already interpret the system's error
            waiting.extend(other for other in (member.__cause__, member.__context__) if other is not None)


def _local(tree: list[BaseException]) -> Fault | None:
    """Blame this machine if every attempt failed for a local cause: without an IPv6 route, IPv4 may tell more."""
    for error in tree:
        if isinstance(error, TlsFilesError):
            return _quoting(Reason.LOCAL, str(error))
    errors = [error for error in tree if isinstance(error, OSError) and error.errno and not _is_foreign(error)]
    if errors and all(isinstance(error, _OF_THIS_MACHINE) or error.errno in LOCAL_ERRNOS for error in errors):
        return Fault(Reason.LOCAL, f"this machine cannot connect: {os.strerror(errors[0].errno or 0)}", "")
    return None


def _is_foreign(error: OSError) -> bool:
    return isinstance(error, (socket.gaierror, ssl.SSLError)) or error.__class__ is BlockingIOError


def _dns(error: BaseException, _step: str | None) -> Fault | None:
    if isinstance(error, socket.gaierror):
        return Fault(Reason.DNS, f"the name cannot be resolved: {error.strerror or error}")
    return None


def _blocked(error: BaseException, _step: str | None) -> Fault | None:
    if isinstance(error, BlockedAddressError):
        return Fault(Reason.BLOCKED, f"{error.ip} is not a public address, and `allow_private` is false")
    return None


def _tls(error: BaseException, step: str | None) -> Fault | None:
    if isinstance(error, NoCommonVersionError):
        return Fault(Reason.TLS, str(error))
    if step in {"processing", "headers", "transfer"}:
        # With TLS 1.3, a server reports a missing client certificate only after the handshake.
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            return Fault(Reason.TLS, f"the server ended TLS: {_alert(error)}")
        return None  # after the handshake, an error belongs to the exchange
    if step == "tls" and isinstance(error, ConnectionError):
        return Fault(Reason.TLS, f"the TLS handshake failed: {os.strerror(error.errno or 0)}")
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _CERTIFICATE_FAULTS.get(error.verify_code)
        return Fault(Reason.TLS, known or f"the certificate is not valid: {error.verify_message}")
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return Fault(Reason.TLS, "the server closed the connection during the TLS handshake")
    if not isinstance(error, ssl.SSLError):
        return None
    if error.reason in _NOT_TLS:
        return Fault(Reason.TLS, "the server does not speak TLS on this port")
    if error.reason in _OLD_PROTOCOL:
        return Fault(Reason.TLS, "the server speaks only an old version of TLS")
    if error.reason == "UNSAFE_LEGACY_RENEGOTIATION_DISABLED":
        text = "the server cannot renegotiate safely (RFC 5746); `tls_config.legacy_renegotiation` takes it"
        return Fault(Reason.TLS, text)
    return Fault(Reason.TLS, f"the TLS handshake failed: {_alert(error)}")


def _alert(error: ssl.SSLError) -> str:
    # OpenSSL names some alerts after SSL 3, which introduced them.
    return (error.reason or str(error)).removeprefix("SSLV3_ALERT_").lower().replace("_", " ")


def _redirect(error: BaseException, _step: str | None) -> Fault | None:
    return Fault(Reason.REDIRECT, str(error)) if isinstance(error, RedirectError) else None


def _body(error: BaseException, _step: str | None) -> Fault | None:
    if isinstance(error, BodyTooLargeError):
        return Fault(Reason.TOO_LARGE, f"the body has more than {error.limit_bytes} bytes")
    if isinstance(error, BodyEncodingError):
        return _quoting(Reason.PROTOCOL, str(error))
    return None


def _quoting(reason: Reason, text: str) -> Fault:
    """Return a fault whose sentence has quotations only after a colon or after `claims to be`."""
    return Fault(reason, text, re.sub("^.*?(?:: | claims to be |$)", "", text, count=1, flags=re.DOTALL))


def _protocol(error: BaseException, step: str | None) -> Fault | None:
    if isinstance(error, ProxyError):
        return Fault(Reason.CONNECT, str(error), error.quoted)
    if isinstance(error, ProtocolError):
        return _quoting(Reason.PROTOCOL, str(error) or "the response is not HTTP")
    if step in {"processing", "headers", "transfer"} and isinstance(error, (ConnectionError, ssl.SSLError)):
        return Fault(Reason.PROTOCOL, "the connection was reset before the response was whole", "")
    return None


def _system(error: BaseException, step: str | None) -> Fault | None:
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if step in {"processing", "headers", "transfer"}:
        return Fault(Reason.PROTOCOL, f"the connection broke: {os.strerror(error.errno)}", "")
    detail, was_refused = f"cannot connect: {os.strerror(error.errno)}", error.errno == errno.ECONNREFUSED
    return Fault(Reason.CONNECT, detail, "", was_refused=was_refused)
