"""Bad TLS: the cases of badssl.com that do not need the internet, and some more."""

from __future__ import annotations

import ssl
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.hostile.case import Case
from tests.hostile.cases_redirects import leading_to
from tests.hostile.cases_wire import UNTIL_CLOSE
from tests.hostile.certificates import HOST, TOMORROW, YESTERDAY, issue, signed_with_sha1
from tests.hostile.servers import (
    Peer,
    at_once,
    drip,
    forever,
    hang,
    read_some,
    reset,
    response,
    saying,
    until_gone,
    wait_for_bytes,
)
from watcher.model.target import Connecting, TlsOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.certificates import Certificates
    from tests.hostile.servers import Behaviour, Step

    MakeContext = Callable[[Certificates], ssl.SSLContext]

GOOD = saying(response())


def _good(certificates: Certificates) -> ssl.SSLContext:
    return certificates.good_context()


def _named(*names: str) -> MakeContext:
    return lambda made: made.context(issue(made.intermediate, "names", names))


def _expired(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(made.intermediate, "expired", [HOST], ends=YESTERDAY))


def _not_yet_valid(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(made.intermediate, "early", [HOST], begins=TOMORROW))


def _below_an_expired_intermediate(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(issue(made.root, "expired intermediate", ends=YESTERDAY), "leaf", [HOST]))


def _self_signed(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(None, "self", [HOST]))


def _of_a_stranger(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(issue(None, "a stranger's root"), "leaf", [HOST]))


def _of_a_stranger_with_root(made: Certificates) -> ssl.SSLContext:
    root = issue(None, "a stranger's root")
    leaf = issue(root, "leaf", [HOST])
    return made.context(leaf, [leaf.certificate, root.certificate])


def _incomplete(made: Certificates) -> ssl.SSLContext:
    return made.context(made.good, [made.good.certificate])


def _below_a_leaf(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(made.good, "below a leaf", [HOST]))


def _wrong_intermediate(made: Certificates) -> ssl.SSLContext:
    return made.context(made.good, [made.good.certificate, issue(made.root, "another intermediate").certificate])


def _common_name_only(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(made.intermediate, HOST, key=ec.generate_private_key(ec.SECP256R1())))


def _nameless(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(made.intermediate, None, key=ec.generate_private_key(ec.SECP256R1())))


def _without_common_name(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(made.intermediate, None, [HOST]))


def _weak_key(made: Certificates) -> ssl.SSLContext:
    return made.context(issue(made.intermediate, "weak", [HOST], key=rsa.generate_private_key(65537, 1024)))


def _sha1(made: Certificates) -> ssl.SSLContext:
    key = rsa.generate_private_key(65537, 2048)
    intermediate = issue(made.root, "RSA intermediate", key=key, is_authority=True)
    return made.context(signed_with_sha1(issue(intermediate, "sha1", [HOST]), key))


def _up_to(version: ssl.TLSVersion) -> MakeContext:
    def make(made: Certificates) -> ssl.SSLContext:
        context = made.good_context()
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
        return context

    return make


def _from_1_3(made: Certificates) -> ssl.SSLContext:
    context = made.good_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _choosing(*ciphers: str) -> MakeContext:
    """Speak TLS 1.2 with an RSA key and only these ciphers."""

    def make(made: Certificates) -> ssl.SSLContext:
        key = rsa.generate_private_key(65537, 2048)
        context = made.context(issue(made.intermediate, "RSA", [HOST], key=key))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(":".join(ciphers))
        return context

    return make


def _anonymous_only(made: Certificates) -> ssl.SSLContext:
    context = _up_to(ssl.TLSVersion.TLSv1_2)(made)
    context.set_ciphers("ADH-AES128-SHA256:@SECLEVEL=0")
    return context


def _asking(version: ssl.TLSVersion) -> MakeContext:
    def make(made: Certificates) -> ssl.SSLContext:
        context = _up_to(version)(made)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(made.ca_file)
        return context

    return make


def _with(**options: Any) -> Connecting:
    return Connecting(tls=TlsOptions(**options))


_WILD = _named("*.site.test")


def _calling(server_name: str) -> Connecting:
    return Connecting(tls=TlsOptions(server_name=server_name))


def _alert(level: int, description: int) -> bytes:
    return bytes([0x15, 3, 3, 0, 2, level, description])


async def _noise_after_the_handshake(peer: Peer) -> None:
    await peer.request()
    await peer.connection.send_all(b"\x17\x03\x03\x00\x40" + b"\xa5" * 64)
    await peer.until_gone()


def _without_goodbye(head: bytes) -> Behaviour:
    """Close the connection as if it were without TLS."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(head)
        await peer.connection.aclose()

    return behave


def _broken_handshake(name: str, *steps: Step, expected: str = "tls", detail: str = "") -> Case:
    """A server that reads the first message of a handshake, and then leaves the protocol."""
    return Case(name, at_once(wait_for_bytes, *steps), expected, detail, scheme="https")


# The start of a ServerHello (RFC 8446, section 4.1.3) that announces more.
_HALF_A_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(16)
# A whole one of TLS 1.2 without a word about renegotiation, as before RFC 5746.
_HELLO_OF_OLD = b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + bytes(32) + b"\x00\xc0\x2f\x00"
_NOT_TLS = "does not speak TLS"
_OLD = ssl.TLSVersion.TLSv1_1

CERTIFICATES = [
    Case("expired certificate", GOOD, "tls", "expired", tls=_expired),
    Case("certificate that is not yet valid", GOOD, "tls", "not yet valid", tls=_not_yet_valid),
    Case("expired intermediate", GOOD, "tls", "expired", tls=_below_an_expired_intermediate),
    Case("certificate for another host", GOOD, "tls", "another", tls=_named("other.example")),
    Case(
        "certificate for another name",
        GOOD,
        "tls",
        "another host",
        tls=_named("other.example"),
        connecting=_calling("site.test"),
    ),
    Case("self-signed certificate", GOOD, "tls", "self-signed", tls=_self_signed),
    Case("untrusted root", GOOD, "tls", "not trusted", tls=_of_a_stranger),
    Case("untrusted root in the chain", GOOD, "tls", "not trusted", tls=_of_a_stranger_with_root),
    Case("missing intermediate", GOOD, "tls", "missing", tls=_incomplete),
    Case("wrong intermediate", GOOD, "tls", "missing", tls=_wrong_intermediate),
    Case("certificate below a leaf", GOOD, "tls", tls=_below_a_leaf),
    Case("common name alone", GOOD, "tls", "another", tls=_common_name_only),
    Case("no name at all", GOOD, "tls", "another", tls=_nameless),
    Case("certificate signed with SHA-1", GOOD, "tls", "weak", tls=_sha1),
    Case("RSA key of 1024 bits", GOOD, "tls", "weak", tls=_weak_key),
    Case(
        "wildcard above a name too deep", GOOD, "tls", "another host", tls=_WILD, connecting=_calling("a.b.site.test")
    ),
    Case("wildcard beside its own domain", GOOD, "tls", "another host", tls=_WILD, connecting=_calling("site.test")),
    Case("wildcard for a whole top level", GOOD, "tls", "another", tls=_named("*"), connecting=_calling("site.test")),
]

GOOD_ONES = [
    Case("good certificate", GOOD, tls=_good),
    Case("wildcard", GOOD, tls=_WILD, connecting=_calling("shop.site.test")),
    Case("no common name, but a name", GOOD, tls=_without_common_name),
    Case("TLS 1.2", GOOD, tls=_up_to(ssl.TLSVersion.TLSv1_2)),
    Case("TLS 1.3", GOOD, tls=_from_1_3),
    Case("RSA key exchange", GOOD, tls=_choosing("AES128-GCM-SHA256")),
    Case("CBC and SHA-1", GOOD, tls=_choosing("ECDHE-RSA-AES256-SHA", "AES128-SHA")),
    Case("expired certificate that is taken", GOOD, tls=_expired, connecting=_with(insecure_skip_verify=True)),
    Case("TLS 1.1 that is taken", GOOD, tls=_up_to(_OLD), connecting=_with(min_version="TLS10")),
    Case("slow handshake, and still in time", GOOD, tls=_good, tls_byte_seconds=0.0),
    Case("redirect to TLS", leading_to("https://HOST/final"), tls=_good, scheme="http", plain_too=True),
    # RFC 9112, section 9.8, doubts it; popular sites do it, so browsers and Go take it.
    Case("no goodbye after a body without length", _without_goodbye(UNTIL_CLOSE + b"hello"), tls=_good),
    Case("no goodbye after a whole body", _without_goodbye(response()), tls=_good),
]

PROTOCOLS = [
    Case("TLS 1.1 at most", GOOD, "tls", "old version", tls=_up_to(_OLD)),
    Case(
        "TLS 1.3 at least, and 1.2 at most is allowed",
        GOOD,
        "tls",
        "does not speak TLS 1.2, the only version",
        tls=_from_1_3,
        connecting=_with(max_version="TLS12"),
    ),
    Case("no cipher in common", GOOD, "tls", "handshake", tls=_anonymous_only),
    Case(
        "client certificate wanted", GOOD, "tls", "handshake failure|certificate", tls=_asking(ssl.TLSVersion.TLSv1_2)
    ),
    Case("client certificate wanted in TLS 1.3", GOOD, "tls", "certificate", tls=_asking(ssl.TLSVersion.TLSv1_3)),
    Case("TLS on the plain port", GOOD, "protocol", tls=_good, scheme="http"),
    Case(
        "redirect to an expired certificate",
        leading_to("https://HOST/final"),
        "tls",
        "expired",
        tls=_expired,
        scheme="http",
        plain_too=True,
    ),
    Case("plain HTTP on the port of TLS", saying(response(status="400 Bad Request")), "tls", _NOT_TLS, scheme="https"),
    Case("SSH on the port of TLS", at_once(b"SSH-2.0-OpenSSH_9.2p1\r\n", until_gone), "tls", _NOT_TLS, scheme="https"),
    Case("SMTP on the port of TLS", at_once(b"220 mail.example ESMTP\r\n", until_gone), "tls", scheme="https"),
    Case("refused on the port of TLS", GOOD, "connect", "refused", scheme="https", listening="refusing"),
]

HANDSHAKES = [
    _broken_handshake("silent in the handshake", hang, expected="timeout", detail="TLS"),
    _broken_handshake("silent in the server's hello", _HALF_A_HELLO, hang, expected="timeout", detail="TLS"),
    _broken_handshake("dripping hello", drip(_HALF_A_HELLO + bytes(100)), expected="timeout", detail="TLS"),
    Case("dripping handshake", GOOD, "timeout", "TLS", tls=_good, tls_byte_seconds=0.02),
    _broken_handshake("reset in the handshake", reset, detail="reset"),
    _broken_handshake("reset in the server's hello", _HALF_A_HELLO, reset),
    _broken_handshake("closed in the handshake", read_some, detail="closed"),
    _broken_handshake("closed in the server's hello", read_some, _HALF_A_HELLO, detail="closed"),
    _broken_handshake("alert of a failed handshake", read_some, _alert(2, 40), detail="handshake"),
    _broken_handshake("alert of an unknown name", read_some, _alert(2, 112), detail="unrecognized name"),
    _broken_handshake("alert of an internal error", read_some, _alert(2, 80), detail="internal error"),
    _broken_handshake("alert of an old protocol", read_some, _alert(2, 70), detail="old version"),
    _broken_handshake("no safe renegotiation", read_some, _HELLO_OF_OLD, detail="legacy_renegotiation"),
    replace(
        _broken_handshake("no safe renegotiation, taken", read_some, _HELLO_OF_OLD, detail="closed"),
        connecting=_with(legacy_renegotiation=True),
    ),
    replace(
        _broken_handshake("no safe renegotiation, of old", read_some, _HELLO_OF_OLD, detail="closed"),
        connecting=_with(min_version="TLS11"),
    ),
    _broken_handshake("endless warnings", forever(_alert(1, 90) * 100)),
    _broken_handshake("endless noise", forever(b"\xa5" * 4096), detail=_NOT_TLS),
    _broken_handshake("endless zeros", forever(bytes(4096)), detail=_NOT_TLS),
    _broken_handshake("record that is too long", b"\x16\x03\x03\xff\xff" + bytes(65536), until_gone),
    _broken_handshake("hello of 16 MB", b"\x16\x03\x03\x40\x00\x02\xff\xff\xff\x03\x03", forever(bytes(4096))),
]

AFTERWARDS = [
    Case("silent after the handshake", saying(hang), "timeout", "response", tls=_good),
    Case("reset after the handshake", saying(reset), "protocol", tls=_good),
    Case("closed after the handshake", saying(), "protocol", "closed", tls=_good),
    Case("noise after the handshake", _noise_after_the_handshake, "protocol|tls", tls=_good),
    Case("no goodbye in a body", _without_goodbye(response()[:-2]), "protocol", tls=_good),
    Case("reset in a body without length, in TLS", saying(UNTIL_CLOSE + b"hel", reset), "protocol", tls=_good),
    Case("endless body in TLS", saying(UNTIL_CLOSE, forever(b"x" * 65536)), "too_large", tls=_good),
]

CASES = [*CERTIFICATES, *GOOD_ONES, *PROTOCOLS, *HANDSHAKES, *AFTERWARDS]
