"""Opens the sockets that the page listens on."""

from __future__ import annotations

import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from watcher.config.env.http_values import authority

if TYPE_CHECKING:
    from watcher.config.env.http_values import HttpAddress

# The bound of connections that are not accepted yet.
BACKLOG = 128
# The time limit for resolving a name.
LOOKUP_SECONDS = 2.0
# The mode of the socket's file: its group, such as a proxy's, may connect as well.
SOCKET_MODE = 0o660


class CannotListenError(Exception):
    """Listening there fails now; the message says why."""


async def open_listeners(address: HttpAddress) -> list[trio.SocketListener]:
    """Listen; for a name, on all of its addresses.

    Raises:
        CannotListenError: for example, the port is taken.
    """
    try:
        if address.path:
            return [await _open_unix_listener(trio.Path(address.path))]
        with trio.fail_after(LOOKUP_SECONDS):
            return list(await trio.open_tcp_listeners(address.port, host=address.host, backlog=BACKLOG))
    except trio.TooSlowError:
        raise CannotListenError(f"the address of {address.host} cannot be found") from None
    except OSError as error:
        raise CannotListenError(error.strerror or str(error)) from error


def urls_of(listeners: list[trio.SocketListener]) -> list[str]:
    """Return the URLs of listeners for a browser, with the ports that the system chose."""
    urls = []
    for listener in listeners:
        name = listener.socket.getsockname()
        is_unix = listener.socket.family not in {socket.AF_INET, socket.AF_INET6}
        urls.append(f"unix:{name}" if is_unix else f"http://{authority(name[0], name[1])}/")
    return urls


def remove_socket_file(address: HttpAddress) -> None:
    """Remove the file of a unix socket listener."""
    if address.path:
        with suppress(OSError):
            Path(address.path).unlink()


async def _open_unix_listener(path: trio.Path) -> trio.SocketListener:
    await _remove_stale(path)
    unix = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await unix.bind(str(path))
        await path.chmod(SOCKET_MODE)
        unix.listen(BACKLOG)
    except BaseException:
        unix.close()
        raise
    return trio.SocketListener(unix)


async def _remove_stale(path: trio.Path) -> None:
    """Remove the socket of a killed daemon: one without a listener."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK((await path.stat()).st_mode):
            raise CannotListenError("there is a file that is not a socket")
        try:
            await (await trio.open_unix_socket(str(path))).aclose()
        except ConnectionRefusedError:
            await path.unlink()
