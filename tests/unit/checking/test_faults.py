"""Exceptions to reasons: through causes, contexts and groups."""

import errno
import socket
import ssl

import httpx
import pytest

from watcher.checking.body import BodyEncodingError, BodyTooLargeError
from watcher.checking.faults import LOCAL_ERRNOS, fault_of
from watcher.model.outcome import Fault, Reason


def hidden_in(outer: Exception, *inner: Exception) -> Exception:
    """Hide exceptions as httpx on trio does: in the context, with the cause cut."""
    outer.__context__ = inner[0] if len(inner) == 1 else ExceptionGroup("all attempts to connect failed", list(inner))
    outer.__suppress_context__ = True
    return outer


def refused() -> OSError:
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def no_route() -> OSError:
    return OSError(errno.ENETUNREACH, "Network is unreachable")


def bad_certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "for a reason of its own"
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "handshake")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (hidden_in(httpx.ConnectError(""), socket.gaierror(-2, "Name or service not known")), Reason.DNS, "Name or"),
        (hidden_in(httpx.ConnectError(""), refused()), Reason.CONNECT, "Connection refused"),
        (hidden_in(httpx.ConnectError(""), no_route(), refused()), Reason.CONNECT, "cannot connect"),
        (httpx.ConnectError(""), Reason.CONNECT, "cannot connect"),
        (hidden_in(httpx.ConnectError(""), bad_certificate(10)), Reason.TLS, "has expired"),
        (hidden_in(httpx.ConnectError(""), bad_certificate(9)), Reason.TLS, "not yet valid"),
        (hidden_in(httpx.ConnectError(""), bad_certificate(18)), Reason.TLS, "self-signed"),
        (hidden_in(httpx.ConnectError(""), bad_certificate(20)), Reason.TLS, "not trusted"),
        (hidden_in(httpx.ConnectError(""), bad_certificate(62)), Reason.TLS, "another host"),
        (hidden_in(httpx.ConnectError(""), bad_certificate(99)), Reason.TLS, "for a reason of its own"),
        (hidden_in(httpx.ConnectError(""), ssl.SSLEOFError(8, "EOF")), Reason.TLS, "closed the connection"),
        (hidden_in(httpx.ConnectError(""), tls_error("WRONG_VERSION_NUMBER")), Reason.TLS, "does not speak TLS"),
        (hidden_in(httpx.ConnectError(""), tls_error("UNSUPPORTED_PROTOCOL")), Reason.TLS, "old version"),
        (hidden_in(httpx.ConnectError(""), tls_error("SOME_NEW_REASON")), Reason.TLS, "some new reason"),
        (httpx.ReadError(""), Reason.PROTOCOL, "reset"),
        (httpx.RemoteProtocolError("Server disconnected"), Reason.PROTOCOL, "Server disconnected"),
        (httpx.TooManyRedirects("Exceeded"), Reason.REDIRECT, "too many"),
        (httpx.UnsupportedProtocol("ftp"), Reason.REDIRECT, "no http"),
        (httpx.InvalidURL("bad"), Reason.REDIRECT, "not valid"),
        (UnicodeError("label empty or too long"), Reason.REDIRECT, "not valid"),
        (BodyTooLargeError(1000), Reason.TOO_LARGE, "more than 1000 bytes"),
        (BodyEncodingError("the compressed body is broken"), Reason.PROTOCOL, "broken"),
    ],
)
def test_each_exception_has_its_reason(error: Exception, reason: Reason, detail: str) -> None:
    fault = fault_of(error, None)
    assert fault is not None
    assert fault.reason == reason
    assert detail in fault.detail


@pytest.mark.parametrize("number", sorted(LOCAL_ERRNOS))
def test_what_this_machine_lacks_is_not_the_sites_fault(number: int) -> None:
    fault = fault_of(hidden_in(httpx.ConnectError(""), OSError(number, "x")), None)
    assert fault is not None
    assert fault.reason == Reason.LOCAL


def test_an_unknown_exception_has_no_reason_of_a_site() -> None:
    assert fault_of(ZeroDivisionError("a bug"), None) is None


def test_a_tree_that_bites_its_tail_is_walked_once() -> None:
    first, second = httpx.ConnectError(""), refused()
    first.__context__, second.__context__ = second, first
    assert fault_of(first, None) == Fault(Reason.CONNECT, "cannot connect: Connection refused")


@pytest.mark.parametrize(
    ("phase", "reason"), [("connect", Reason.CONNECT), ("tls", Reason.TLS), ("processing", Reason.PROTOCOL)]
)
def test_a_reset_means_another_thing_in_each_phase(phase: str, reason: Reason) -> None:
    outer = httpx.ReadError("") if phase == "processing" else httpx.ConnectError("")
    fault = fault_of(hidden_in(outer, ConnectionResetError(errno.ECONNRESET, "reset")), phase)
    assert fault is not None
    assert fault.reason == reason


def test_tls_that_breaks_behind_the_handshake_is_no_fault_of_the_handshake() -> None:
    fault = fault_of(hidden_in(httpx.ReadError(""), tls_error("WRONG_VERSION_NUMBER")), "transfer")
    assert fault is not None
    assert fault.reason == Reason.PROTOCOL
