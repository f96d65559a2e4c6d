"""Creates the TLS contexts that checks share, and reads a server's certificates."""

from __future__ import annotations

import ssl
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import trio
from cryptography import x509

from watcher.checking.http.exchange import Certificate, Chain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from watcher.model.target import HttpVersion, TlsOptions

# The bound of cached chains: a few KB each.
MAX_CHAINS = 4096
# The bound of contexts created at once. A file on a hung share holds a thread, but none that others need.
MAX_MAKING = 4

# Ciphers that curl, browsers and Go accept beyond Python's own list, such as RSA key exchange and CBC with SHA-1; weak
# keys and signatures stay refused.
_CIPHERS = "DEFAULT:@SECLEVEL=2"
# Levels 1 and above refuse the hashes of TLS 1.0 and 1.1.
_CIPHERS_OF_OLD_VERSIONS = "DEFAULT:@SECLEVEL=0"
_LEGACY_SERVER_CONNECT = 0x4  # ssl.OP_LEGACY_SERVER_CONNECT, since Python 3.12

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_SHOWN_VERSIONS = {"TLS10": "TLS 1.0", "TLS11": "TLS 1.1", "TLS12": "TLS 1.2", "TLS13": "TLS 1.3"}
_ALPN: dict[HttpVersion, list[str]] = {"auto": ["h2", "http/1.1"], "1.1": ["http/1.1"], "2": ["h2"]}


class TlsFilesError(Exception):
    """A file of `tls_config` cannot be used, though it could at the daemon's start."""


class NoCommonVersionError(Exception):
    """The server supports none of the versions that `tls_config` allows; the message is for people."""


class TlsContexts:
    """One context for each set of TLS options: creating one costs some 25 ms of CPU and 1 MB."""

    def __init__(self) -> None:
        """Start without contexts; each is created on first use."""
        self._made: dict[tuple[TlsOptions, HttpVersion], ssl.SSLContext] = {}
        self._making: dict[tuple[TlsOptions, HttpVersion], trio.Lock] = {}
        self._threads: trio.CapacityLimiter | None = None

    def made(self, options: TlsOptions, http_version: HttpVersion) -> ssl.SSLContext | None:
        """Return the context for these options, or None if it has not been created yet."""
        return self._made.get((options, http_version))

    async def make(self, options: TlsOptions, http_version: HttpVersion) -> ssl.SSLContext:
        """Create the context for these options in a thread, once for all simultaneous callers.

        Raises:
            TlsFilesError: a file of the options cannot be used.
        """
        key = (options, http_version)
        try:
            async with self._making.setdefault(key, trio.Lock()):
                context = self._made.get(key)
                if context is None:
                    context = await self._in_thread(lambda: make_tls_context(options))
                    context.set_alpn_protocols(_ALPN[http_version])
                    self._made[key] = context
        except OSError as error:  # ssl.SSLError is one
            raise TlsFilesError(f"a file of tls_config cannot be used: {error.strerror or error}") from error
        finally:
            self._making.pop(key, None)
        return context

    async def _in_thread(self, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        self._threads = self._threads or trio.CapacityLimiter(MAX_MAKING)
        try:
            return await trio.to_thread.run_sync(make, abandon_on_cancel=True, limiter=self._threads)
        except RuntimeError:  # no thread available: block the loop for a moment instead
            return make()

    def keep_only(self, options: Collection[tuple[TlsOptions, HttpVersion]]) -> None:
        """Forget the contexts that are not in use."""
        self._made = {key: context for key, context in self._made.items() if key in options}


def make_tls_context(options: TlsOptions) -> ssl.SSLContext:
    """Create a context for checks.

    Without a `ca_file`, the system's authorities are trusted, as they are now; if the system has none, as with
    python.org's builds for macOS, certifi's are.

    Raises:
        OSError, ssl.SSLError: a file of the options cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As in curl and Python 3.13: a trusted certificate ends a chain, self-signed or not. Python's VERIFY_X509_STRICT is
    # not set: it refuses certificates that browsers accept.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if options.ca_file is not None:
        context.load_verify_locations(options.ca_file)
    else:
        _trust_system(context)
    if options.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.cert_file is not None:
        # With an empty password, OpenSSL does not prompt at the terminal.
        context.load_cert_chain(options.cert_file, options.key_file, password=lambda: b"")
    # A connection that closes without TLS's close_notify ends a body without a length; popular sites do that.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # the user chose TLS 1.0 knowingly
        context.minimum_version = _VERSIONS[options.min_version or "TLS12"]
        if options.max_version is not None:
            context.maximum_version = _VERSIONS[options.max_version]
    speaks_old_versions = options.min_version in {"TLS10", "TLS11"}
    context.set_ciphers(_CIPHERS_OF_OLD_VERSIONS if speaks_old_versions else _CIPHERS)
    if options.legacy_renegotiation or speaks_old_versions:
        context.options |= _LEGACY_SERVER_CONNECT
    # A server may request a client certificate once it knows the path (RFC 8446, section 4.6.2).
    context.post_handshake_auth = True
    return context


def refuse_version(error: ssl.SSLError, options: TlsOptions) -> None:
    """Name the offered versions if the server accepted none and newer ones are not allowed.

    Raises:
        NoCommonVersionError: the server may support only versions newer than `max_version`, which cannot be tested.
    """
    if error.reason != "TLSV1_ALERT_PROTOCOL_VERSION" or options.max_version is None or options.max_version == "TLS13":
        return
    low, high = _SHOWN_VERSIONS[options.min_version or "TLS12"], _SHOWN_VERSIONS[options.max_version]
    text = f"{low}, the only version" if low == high else f"a version from {low} to {high}, which are those"
    raise NoCommonVersionError(f"the server does not speak {text} that tls_config allows") from error


def chain_of(encrypted: ssl.SSLSocket) -> Chain | None:
    """Read the certificates that the server sent, and the earliest end among those that count.

    Args:
        encrypted: a connection after its handshake.

    Returns:
        the chain. If it was verified, the certificates from the server's own to the trusted one count, else all that
        were sent. None if the server sent none, or one that cannot be read.
    """
    # Called on the inner object, since the socket has these two functions only from Python 3.13 on.
    inside = encrypted._sslobj  # type: ignore[attr-defined]
    served = _as_der(inside.get_unverified_chain())
    verified = () if encrypted.context.verify_mode == ssl.CERT_NONE else _as_der(inside.get_verified_chain())
    return _parsed(served, verified) if served else None


_DER = 2  # _ssl.ENCODING_DER


def _as_der(chain: Sequence[Any] | None) -> tuple[bytes, ...]:
    return tuple([certificate.public_bytes(_DER) for certificate in chain or ()])


@lru_cache(MAX_CHAINS)
def _parsed(served: tuple[bytes, ...], verified: tuple[bytes, ...]) -> Chain | None:
    # Cached: sites send the same chain for months, and parsing it would cost as much as the exchange.
    try:
        certificates = tuple(_certificate(x509.load_der_x509_certificate(der)) for der in served)
        counting = [x509.load_der_x509_certificate(der) for der in verified or served]
    except ValueError:
        return None
    return Chain(certificates, min(certificate.not_valid_after_utc for certificate in counting))


def _certificate(parsed: x509.Certificate) -> Certificate:
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown_names = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        shown_names = []
    return Certificate(
        subject=parsed.subject.rfc4514_string(),
        issuer=parsed.issuer.rfc4514_string(),
        names=tuple(shown_names),
        begins_at=parsed.not_valid_before_utc,
        expires_at=parsed.not_valid_after_utc,
    )


def _trust_system(context: ssl.SSLContext) -> None:
    """Load the authorities that the system trusts.

    `load_default_certs` is not used: with a folder of authorities, OpenSSL would search it again in every handshake for
    every certificate with an unknown issuer, which costs a seventh of a check.
    """
    paths = ssl.get_default_verify_paths()
    files = [] if paths.cafile is None else [paths.cafile]
    if paths.capath is not None:
        # The names that OpenSSL itself would look for: c_rehash creates such a link for each certificate.
        files += sorted(str(path) for path in Path(paths.capath).glob("????????.[0-9]") if path.is_file())
    for file in files:
        with suppress(ssl.SSLError):  # a broken file must not prevent the others
            context.load_verify_locations(file)
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
