"""Serves all connections of viewers, with bounds in total and for each address; a failure ends only its connection."""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from watcher.web.serving.bounds import Bounded
from watcher.web.serving.connection import Connection, connection_config
from watcher.web.serving.problems import Problems
from watcher.web.serving.turns import Doorway

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Maximum numbers of connections: in total, and from one address that is not exempt."""

    total: int = 1000
    per_address: int = 100


class Server:
    """Serves an app on sockets.

    Attributes:
        open_connections: by client address; all of a unix socket count as one.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: ConnectionLimits | None = None,
        is_exempt: Callable[[str], bool] = lambda address: not address or ipaddress.ip_address(address).is_loopback,
    ) -> None:
        """Create a server.

        Args:
            app: answers; called only for HTTP requests, with bounded bodies.
            limits: of connections.
            is_exempt: returns whether many people may share an address, such as that of a proxy; by default true for
                addresses of this machine. The address is empty for a unix socket.
        """
        self._app = Problems(Bounded(app))
        self._limits = limits or ConnectionLimits()
        self._is_exempt = is_exempt
        self._config = connection_config()
        self._doorway = Doorway()
        self.open_connections: Counter[str] = Counter()

    async def serve(self, listeners: Sequence[trio.SocketListener]) -> NoReturn:
        """Serve until cancelled, which closes every connection."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._doorway.run)
            await trio.serve_listeners(self._serve_one, list(listeners))
        raise AssertionError("listeners end only when cancelled")

    async def _serve_one(self, stream: trio.SocketStream) -> None:
        address = _address_of(stream)
        open_here = self.open_connections[address]
        is_one_too_many = open_here >= self._limits.per_address and not self._is_exempt(address)
        if is_one_too_many or self.open_connections.total() >= self._limits.total:
            return
        self.open_connections[address] += 1
        connection = Connection(self._app, self._config, stream, self._doorway.pass_through)
        try:
            await connection.run()
        except OSError:
            pass  # a viewer's network may fail
        except BaseExceptionGroup as group:
            # The boundary of a connection: checks go on whatever a viewer causes.
            cancelled, failed = group.split(trio.Cancelled)
            if failed is not None:
                log.error("connection failed inside watcher", exc_info=failed)
            if cancelled is not None:
                raise cancelled from None
        except Exception:  # as before
            log.exception("connection failed inside watcher")
        finally:
            connection.forget()
            self.open_connections[address] -= 1
            if not self.open_connections[address]:
                del self.open_connections[address]


def _address_of(stream: trio.SocketStream) -> str:
    """Return the IP address of a client; empty for a unix socket, and if it has closed already."""
    if stream.socket.family not in {socket.AF_INET, socket.AF_INET6}:
        return ""
    try:
        return str(stream.socket.getpeername()[0]).partition("%")[0]
    except OSError:
        return ""
