"""Reads the connection options of a target."""

from __future__ import annotations

import hashlib
import ipaddress
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from watcher.config.mistakes import shown
from watcher.config.schema.connection_keys import ConnectingOptions, TlsConfig
from watcher.config.schema.limits import PROXY_SCHEMES
from watcher.config.secret_files import complaint_about_tls_files
from watcher.config.targets.address import complaint_about
from watcher.model.target import Connecting, TlsOptions

if TYPE_CHECKING:
    from watcher.config.mistakes import Complain
    from watcher.config.schema.config_file import Options

CONNECTING_KEYS = tuple(ConnectingOptions.__annotations__)
_NOT_IN_NAMES = frozenset(":@[]")  # they delimit the host in an address
_TLS_VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")


def read_connecting(values: Options, complain: Complain, folder: Path) -> Connecting:
    """Read the connection options.

    Args:
        values: an entry merged with the defaults.
        complain: records a mistake.
        folder: the base of relative paths.
    """
    proxy_url, allow_private = values.get("proxy_url"), values.get("allow_private") is not False
    if proxy_url is not None:
        if complaint := _complaint_about_proxy(proxy_url):
            complain(("proxy_url",), complaint)
        if not allow_private:
            text = "false is not possible with proxy_url, since the proxy connects; allow them, or remove the proxy"
            complain(("allow_private",), text)
    return Connecting(
        ip_protocol=values.get("preferred_ip_protocol") or "any",
        resolve_to=_resolve_to(values, complain),
        proxy_url=proxy_url,
        http_version=values.get("http_version") or "auto",
        keep_alive=values.get("keep_alive") is True,
        allow_private=allow_private,
        tls=_read_tls(values.get("tls_config") or TlsConfig(), complain, folder),
    )


def _resolve_to(values: Options, complain: Complain) -> str | None:
    ip = values.get("resolve_to")
    if ip is None:
        return None
    try:
        return str(ipaddress.ip_address(ip))
    except ValueError:
        complain(("resolve_to",), f"{shown(ip)} is not an IP address; write one, as in 203.0.113.7 or 2001:db8::7")
        return None


def _complaint_about_proxy(url: str) -> str | None:
    # The URL may have a password, so it is never quoted.
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in PROXY_SCHEMES:
        return "is not a proxy URL; write http://, socks5:// or socks5h:// and its host and port"
    complaint = complaint_about(f"http{url.removeprefix(scheme)}")
    if complaint is not None:
        return complaint
    parts = urlsplit(url)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        return "has something after the port; write it as in http://proxy:3128"
    return None


def _read_tls(values: TlsConfig, complain: Complain, folder: Path) -> TlsOptions:
    options = TlsOptions(
        insecure_skip_verify=values.get("insecure_skip_verify") is True,
        ca_file=_path(values.get("ca_file"), folder),
        cert_file=_path(values.get("cert_file"), folder),
        key_file=_path(values.get("key_file"), folder),
        server_name=values.get("server_name"),
        min_version=values.get("min_version"),
        max_version=values.get("max_version"),
        legacy_renegotiation=values.get("legacy_renegotiation") is True,
    )
    complaint = complaint_about_tls_files(options.ca_file, options.cert_file, options.key_file)
    if options.key_file is not None and options.cert_file is None:
        complain(("tls_config", "key_file"), "is written without cert_file; add that, or remove this")
    elif complaint is not None:
        complain(("tls_config", complaint[0]), complaint[1])
    low, high = options.min_version or "TLS12", options.max_version or "TLS13"
    if _TLS_VERSIONS.index(low) > _TLS_VERSIONS.index(high):
        key = "min_version" if options.min_version else "max_version"
        complain(
            ("tls_config", key), f"leaves no version from {low} to {high}; lower min_version, or raise max_version"
        )
    if options.server_name is not None and not _is_name(options.server_name):
        text = f"{shown(options.server_name)} is not a name; write one, as in shop.example"
        complain(("tls_config", "server_name"), text)
    # A file with a complaint is not read: it may be a pipe.
    return options if complaint else replace(options, files_digest=_digest_of(options))


def _is_name(name: str) -> bool:
    try:
        is_whole = urlsplit(f"https://{name}").netloc == name and _NOT_IN_NAMES.isdisjoint(name)
        return is_whole and complaint_about(f"https://{name}/") is None
    except ValueError:
        return False


def _digest_of(options: TlsOptions) -> str | None:
    names = [name for name in (options.ca_file, options.cert_file, options.key_file) if name is not None]
    digest = hashlib.sha256()
    for name in names:
        with suppress(OSError, ValueError):  # it was reported before
            digest.update(hashlib.sha256(Path(name).read_bytes()).digest())
    return digest.hexdigest() if names else None


def _path(name: str | None, folder: Path) -> str | None:
    return None if name is None else str(folder / name)
