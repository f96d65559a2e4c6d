"""A bad server, and the expected result of a check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from watcher.model.target import Connecting, Sending

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from tests.hostile.certificates import Certificates
    from tests.hostile.servers import Behaviour

SUCCESS = "success"
# The reasons that a whole response may have; other ones may come without a status.
JUDGED = frozenset({SUCCESS, "status", "regex"})
# Enough time where the check is to decide by itself, whatever else runs on the machine; a site that only the deadline
# ends need not be waited for as long.
GENEROUS_SECONDS = 8.0
SHORT_SECONDS = 0.5


@dataclass(frozen=True)
class Case:
    """A bad server, or an odd but valid one.

    Attributes:
        name: unique.
        behaviour: what the server does to each client.
        expected: the expected reason, or `success`; several, separated by `|`, where timing decides.
        detail: a regular expression for the detail.
        status_code: of the last response, if there is one.
        http_version: of the last response, if the check succeeds.
        tls: creates the server's context; the address is https then.
        tls_byte_seconds: the time between two bytes from the server, handshake included; None for whole records.
        plain_too: whether the server also answers without TLS, on the same port.
        listening: whether connections are accepted.
        address: what to check instead of the server; `PORT` in it is replaced by the server's port.
        scheme: of the address, if it does not follow from `tls`.
        path: of the address.
        sending, connecting: of the target; the authority of the tests is always trusted.
        compression: of the body, which blackbox_exporter decompresses only if configured.
        body_matches: a pattern that must be found in the body.
    """

    name: str
    behaviour: Behaviour
    expected: str = SUCCESS
    detail: str = ""
    status_code: int = 200
    http_version: str | None = None
    tls: Callable[[Certificates], ssl.SSLContext] | None = None
    tls_byte_seconds: float | None = None
    plain_too: bool = False
    listening: Literal["yes", "refusing", "never accepting"] = "yes"
    address: str | None = None
    scheme: str | None = None
    path: str = "/"
    sending: Sending = field(default_factory=Sending)
    connecting: Connecting = field(default_factory=Connecting)
    compression: Literal["", "gzip", "deflate"] = ""
    body_matches: bytes | None = None

    @property
    def reasons(self) -> frozenset[str]:
        """The reasons that a check may report."""
        return frozenset(self.expected.split("|"))

    @property
    def final_status_codes(self) -> tuple[int | None, ...]:
        """The status codes that a check may report: that of the head, or None if the head may be incomplete."""
        return (self.status_code,) if self.reasons <= JUDGED else (self.status_code, None)

    @property
    def waits(self) -> bool:
        """Whether the deadline may end the check."""
        return "timeout" in self.reasons

    @property
    def timeout_seconds(self) -> float:
        """The deadline of the check."""
        return SHORT_SECONDS if self.waits else GENEROUS_SECONDS

    def address_on(self, port: int) -> str:
        """Return the address to check, with the server's port."""
        if self.address is not None:
            return self.address.replace("PORT", str(port))
        scheme = self.scheme or ("http" if self.tls is None else "https")
        return f"{scheme}://127.0.0.1:{port}{self.path}"
