"""Exceptions become reasons: through causes, contexts and groups."""

import errno
import socket
import ssl

import pytest

from watcher.checking.http.body import BodyTooLargeError
from watcher.checking.http.content_codings.decoders import BodyEncodingError
from watcher.checking.http.dial import BlockedAddressError, LocalConnectError
from watcher.checking.http.faults import LOCAL_ERRNOS, fault_of
from watcher.checking.http.http1 import ProtocolError
from watcher.checking.http.proxies import ProxyError
from watcher.checking.http.redirects import RedirectError
from watcher.model.outcome import Fault, Reason


def in_context(inner: BaseException) -> Exception:
    """Hide an exception in the context of another, with the cause removed."""
    outer = RuntimeError("something else")
    outer.__context__ = inner
    outer.__suppress_context__ = True
    return outer


def as_cause(inner: BaseException) -> Exception:
    """Hide an exception as the cause of another."""
    outer = RuntimeError("something else")
    outer.__cause__ = inner
    return outer


def in_groups(inner: Exception) -> Exception:
    """Hide an exception in a group of groups."""
    return ExceptionGroup("all failed", [ExceptionGroup("some failed", [inner])])


def refused() -> OSError:
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def bad_certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "for a reason of its own"
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "handshake")
    error.reason = reason
    return error


def of_a_number(number: int) -> OSError:
    return OSError(number, "x")


@pytest.mark.parametrize(
    ("error", "step", "reason", "detail"),
    [
        (socket.gaierror(-2, "Name or service not known"), "resolve", Reason.DNS, "Name or service not known"),
        (BlockedAddressError("127.0.0.1"), "connect", Reason.BLOCKED, "127.0.0.1 is not a public address"),
        (refused(), "connect", Reason.CONNECT, "cannot connect: Connection refused"),
        (of_a_number(errno.ENETUNREACH), "connect", Reason.CONNECT, "Network is unreachable"),
        (ProxyError("the proxy refused to connect: 407"), "connect", Reason.CONNECT, "refused to connect: 407"),
        (bad_certificate(10), "tls", Reason.TLS, "has expired"),
        (bad_certificate(9), "tls", Reason.TLS, "not yet valid"),
        (bad_certificate(18), "tls", Reason.TLS, "self-signed"),
        (bad_certificate(20), "tls", Reason.TLS, "not trusted"),
        (bad_certificate(62), "tls", Reason.TLS, "another host"),
        (bad_certificate(99), "tls", Reason.TLS, "for a reason of its own"),
        (ssl.SSLEOFError(8, "EOF"), "tls", Reason.TLS, "closed the connection during the TLS handshake"),
        (ssl.SSLZeroReturnError(6, "EOF"), "tls", Reason.TLS, "closed the connection during the TLS handshake"),
        (tls_error("WRONG_VERSION_NUMBER"), "tls", Reason.TLS, "does not speak TLS"),
        (tls_error("UNSUPPORTED_PROTOCOL"), "tls", Reason.TLS, "old version"),
        (tls_error("SOME_NEW_REASON"), "tls", Reason.TLS, "some new reason"),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "processing", Reason.TLS, "certificate required"),
        (tls_error("WRONG_VERSION_NUMBER"), "transfer", Reason.PROTOCOL, "reset before the response was whole"),
        (ProtocolError("the server disconnected"), "processing", Reason.PROTOCOL, "the server disconnected"),
        (of_a_number(errno.ETIMEDOUT), "transfer", Reason.PROTOCOL, "the connection broke"),
        (RedirectError("more than 10 redirects"), "processing", Reason.REDIRECT, "more than 10 redirects"),
        (BodyTooLargeError(1000), "transfer", Reason.TOO_LARGE, "more than 1000 bytes"),
        (BodyEncodingError("the compressed body is broken"), "transfer", Reason.PROTOCOL, "broken"),
    ],
)
def test_each_exception_has_its_reason_wherever_it_hides(
    error: Exception, step: str, reason: Reason, detail: str
) -> None:
    fault = fault_of(error, step)
    assert fault is not None
    assert fault.reason == reason
    assert detail in fault.detail
    assert [fault_of(hide(error), step) for hide in (in_context, as_cause, in_groups)] == [fault] * 3


def test_missing_resources_of_this_machine_are_not_the_sites_fault() -> None:
    steps = ["resolve", "connect", "tls", "processing", "transfer", None]
    faults = {(number, step): fault_of(of_a_number(number), step) for number in LOCAL_ERRNOS for step in steps}
    assert {key: fault and fault.reason for key, fault in faults.items()} == dict.fromkeys(faults, Reason.LOCAL)


def test_only_when_all_attempts_failed_for_want_of_something_is_this_machine_to_blame() -> None:
    lacking = LocalConnectError(errno.ENETUNREACH, "Network is unreachable")
    fault = fault_of(ExceptionGroup("all failed", [lacking, lacking]), "connect")
    assert fault == Fault(Reason.LOCAL, "this machine cannot connect: Network is unreachable")
    mixed = fault_of(ExceptionGroup("all failed", [lacking, refused()]), "connect")
    assert mixed is not None
    assert mixed.reason == Reason.CONNECT


def test_errors_about_this_machine_do_not_count_against_the_site() -> None:
    """As without any network: the cause alone would be the site's."""
    cut_off = LocalConnectError(errno.ENETUNREACH, "x")
    cut_off.__cause__ = cut_off.__context__ = of_a_number(errno.ENETUNREACH)
    assert fault_of(cut_off, "connect") == Fault(Reason.LOCAL, "this machine cannot connect: Network is unreachable")


def test_an_unknown_exception_has_no_reason_of_a_site() -> None:
    assert fault_of(ZeroDivisionError("a bug"), "connect") is None


def test_a_tree_that_bites_its_tail_is_walked_once() -> None:
    first, second = RuntimeError(""), refused()
    first.__context__, second.__context__ = second, first
    assert fault_of(first, "connect") == Fault(Reason.CONNECT, "cannot connect: Connection refused")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("connect", Reason.CONNECT),
        ("tls", Reason.TLS),
        ("processing", Reason.PROTOCOL),
        ("headers", Reason.PROTOCOL),
        ("transfer", Reason.PROTOCOL),
    ],
)
def test_a_reset_means_another_thing_in_each_step(step: str, reason: Reason) -> None:
    fault = fault_of(ConnectionResetError(errno.ECONNRESET, "reset"), step)
    assert fault is not None
    assert fault.reason == reason
