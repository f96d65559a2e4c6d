"""The keys of `config.yaml` for connecting: TLS, addresses, proxy and HTTP version."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from watcher.config.schema.keys import CONNECTED, Key
from watcher.config.schema.limits import PROXY_SCHEMES
from watcher.config.schema.value_types import FILLED, SOME_KEYS, STRICT, VARIABLE_PATTERN, SpokenVersion
from watcher.model.target import IpProtocol, TlsVersion  # noqa: TC001  # pydantic reads them


@with_config(ConfigDict(**STRICT, json_schema_extra={"dependentRequired": {"key_file": ["cert_file"]}}))
class TlsConfig(TypedDict, total=False):
    """`tls_config`."""

    insecure_skip_verify: Annotated[bool | None, Key("true: any certificate is accepted", default=False)]
    ca_file: Annotated[
        str | None,
        Key(
            "path of the trusted authorities, in PEM",
            default_text="the system's",
            bounds=FILLED,
            example="/etc/ssl/private-ca.pem",
        ),
    ]
    cert_file: Annotated[str | None, Key("path of the client certificate, in PEM", bounds=FILLED, example="client.pem")]
    key_file: Annotated[
        str | None,
        Key(
            "path of its private key, in PEM and without a password",
            default_text="in `cert_file`",
            bounds=FILLED,
            example="client.key",
        ),
    ]
    server_name: Annotated[
        str | None,
        Key(
            "server name sent in SNI and expected in the certificate",
            default_text="the address's host",
            bounds=FILLED,
            example="shop.example",
        ),
    ]
    min_version: Annotated[
        TlsVersion | None, Key("oldest allowed version: `TLS10`, `TLS11`, `TLS12` or `TLS13`", default="TLS12")
    ]
    max_version: Annotated[TlsVersion | None, Key("newest allowed version", default="TLS13")]
    legacy_renegotiation: Annotated[
        bool | None,
        Key(
            "true: a server without safe renegotiation (RFC 5746), such as an old firewall, is accepted;"
            " `min_version: TLS10` or `TLS11` implies it",
            default=False,
        ),
    ]


@with_config(STRICT)
class ConnectingOptions(TypedDict, total=False):
    """How to connect."""

    tls_config: Annotated[
        TlsConfig | None,
        Key(
            "options of TLS",
            CONNECTED,
            default_text="the system's authorities, TLS 1.2 and later",
            bounds=SOME_KEYS,
            example="{ca_file: ca.pem}",
        ),
    ]
    preferred_ip_protocol: Annotated[
        IpProtocol | None,
        Key(
            "`any`: both, as browsers do; `ip4`, `ip6`: only such addresses, if the name has one",
            CONNECTED,
            default="any",
        ),
    ]
    resolve_to: Annotated[
        str | None,
        Key(
            "an IP address to connect to; the name stays in `Host`, SNI and the certificate",
            CONNECTED,
            bounds=FILLED,
            example="203.0.113.7",
        ),
    ]
    proxy_url: Annotated[
        str | None,
        Key(
            "`http://`, `socks5://` (names are resolved here) or `socks5h://` (names are resolved by the proxy), with"
            " `user:password@` if needed",
            CONNECTED,
            bounds={"pattern": f"^(?:{'|'.join(PROXY_SCHEMES)})://|{VARIABLE_PATTERN}"},
            example="http://proxy:3128",
            secret=True,
        ),
    ]
    http_version: Annotated[
        SpokenVersion,
        Key('`auto`: a TLS server chooses 1.1 or 2; `"1.1"`; `"2"`', CONNECTED, default="auto"),
    ]
    keep_alive: Annotated[
        bool | None,
        Key(
            "true: the connection is used again for the next check, within two minutes; DNS, TCP and TLS are then"
            " tested only when it breaks, or does not answer within half of the `timeout`",
            CONNECTED,
            default=False,
        ),
    ]
    allow_private: Annotated[
        bool | None,
        Key(
            "false: private, loopback, link-local and reserved addresses are refused before a byte is sent, in every"
            " spelling and on every redirect; not possible with a proxy",
            CONNECTED,
            default=True,
        ),
    ]
