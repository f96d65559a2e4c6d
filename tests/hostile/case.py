"""What one bad server does, and what a check should say of it."""

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
# The reasons that a whole response may have; with any other there is none whose status could be told.
JUDGED = frozenset({SUCCESS, "status", "regex"})
# Time enough where the check is to decide by itself, whatever else runs on the machine; a site that only the deadline
# ends need not be waited for so long.
GENEROUS_SECONDS = 8.0
SHORT_SECONDS = 0.5


@dataclass(frozen=True)
class Case:
    """A bad server, or one that is odd and still good.

    Attributes:
        name: unique.
        behaviour: what the server does to each client.
        expected: the reason that a check should give, or `success`; several, behind `|`, where the moment decides.
        detail: a regular expression for what people are told.
        status_code: of the last response, where there is one.
        http_version: of the last response, where the check succeeds.
        tls: makes the server's context; the address is https then.
        tls_byte_seconds: the time between two bytes of the server's, handshake included; None for whole records.
        plain_too: whether the server answers in plain as well, on the same port.
        listening: whether anybody takes the connection.
        address: what to check instead of the server; `PORT` in it is the server's.
        scheme: of the address, where it is not to follow from `tls`.
        path: of the address.
        sending, connecting: of the target; the authority of the tests is trusted in any case.
        compression: of the body, which blackbox_exporter undoes only where it is told to.
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
        """What a check may say."""
        return frozenset(self.expected.split("|"))

    @property
    def final_status_codes(self) -> tuple[int | None, ...]:
        """What a check may say of the last response: that of its head, or None where there may be no whole head."""
        return (self.status_code,) if self.reasons <= JUDGED else (self.status_code, None)

    @property
    def waits(self) -> bool:
        """Whether it may be the deadline that ends the check."""
        return "timeout" in self.reasons

    @property
    def timeout_seconds(self) -> float:
        """The deadline of the check."""
        return SHORT_SECONDS if self.waits else GENEROUS_SECONDS

    def address_on(self, port: int) -> str:
        """Write the address to check, where the server listens on a port."""
        if self.address is not None:
            return self.address.replace("PORT", str(port))
        scheme = self.scheme or ("http" if self.tls is None else "https")
        return f"{scheme}://127.0.0.1:{port}{self.path}"
