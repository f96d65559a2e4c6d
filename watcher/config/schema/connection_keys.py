"""The keys of `config.yaml` that say how to connect."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic takes none of before Python 3.12 but this

from watcher.config.schema.bounds import PROXY_SCHEMES
from watcher.config.schema.keys import CONNECTED, Key
from watcher.config.schema.value_types import FILLED, SOME_KEYS, STRICT, VARIABLE_PATTERN, SpokenVersion
from watcher.model.target import IpProtocol, TlsVersion  # noqa: TC001  # pydantic reads them


@with_config(ConfigDict(**STRICT, json_schema_extra={"dependentRequired": {"key_file": ["cert_file"]}}))
class TlsConfig(TypedDict, total=False):
    """`tls_config`."""

    insecure_skip_verify: Annotated[bool | None, Key("true: any certificate is taken", default=False)]
    ca_file: Annotated[
        str | None,
        Key(
            "path of the authorities that are trusted, in PEM",
            default_text="the system's",
            bounds=FILLED,
            example="/etc/ssl/private-ca.pem",
        ),
    ]
    cert_file: Annotated[
        str | None, Key("path of the certificate of this client, in PEM", bounds=FILLED, example="client.pem")
    ]
    key_file: Annotated[
        str | None,
        Key(
            "path of its key, in PEM and without a password",
            default_text="in `cert_file`",
            bounds=FILLED,
            example="client.key",
        ),
    ]
    server_name: Annotated[
        str | None,
        Key(
            "the name that is asked for (SNI) and looked for in the certificate",
            default_text="the address's host",
            bounds=FILLED,
            example="shop.example",
        ),
    ]
    min_version: Annotated[
        TlsVersion | None, Key("the oldest version: `TLS10`, `TLS11`, `TLS12` or `TLS13`", default="TLS12")
    ]
    max_version: Annotated[TlsVersion | None, Key("the newest version", default="TLS13")]
    legacy_renegotiation: Annotated[
        bool | None,
        Key(
            "true: a server that cannot renegotiate safely (RFC 5746) is taken, as is an old firewall;"
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
            "how TLS is spoken",
            CONNECTED,
            default_text="the system's authorities, TLS 1.2 and later",
            bounds=SOME_KEYS,
            example="{ca_file: ca.pem}",
        ),
    ]
    preferred_ip_protocol: Annotated[
        IpProtocol | None,
        Key(
            "`any`: both, as browsers do; `ip4`, `ip6`: only such addresses where the name has one",
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
            "`http://`, `socks5://` (names are resolved here) or `socks5h://` (and there), with `user:password@`"
            " where it wants them",
            CONNECTED,
            bounds={"pattern": f"^(?:{'|'.join(PROXY_SCHEMES)})://|{VARIABLE_PATTERN}"},
            example="http://proxy:3128",
            secret=True,
        ),
    ]
    http_version: Annotated[
        SpokenVersion,
        Key('`auto`: what a TLS server chooses of 1.1 and 2; `"1.1"`; `"2"`', CONNECTED, default="auto"),
    ]
    keep_alive: Annotated[
        bool | None,
        Key(
            "true: the connection is used again for the next check, within two minutes; DNS, TCP and TLS are then"
            " tested only when it breaks, or says nothing for half of the `timeout`",
            CONNECTED,
            default=False,
        ),
    ]
    allow_private: Annotated[
        bool | None,
        Key(
            "false: private, loopback, link-local and reserved addresses are refused before a byte is sent, in every"
            " spelling and on every redirect; not through a proxy",
            CONNECTED,
            default=True,
        ),
    ]
