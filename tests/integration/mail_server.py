"""An SMTP server that accepts mail with a password, in its own process, since it uses asyncio, not trio.

usage: python mail_server.py PASSWORD; it prints its port, and then each mail as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import TYPE_CHECKING

import trio
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosmtpd.smtp import Envelope, Session


class _Mailbox:
    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # its name
        content = envelope.content
        assert isinstance(content, bytes)
        print(json.dumps({"to": envelope.rcpt_tos, "content": content.decode("utf-8", "replace")}), flush=True)
        return "250 OK"


@asynccontextmanager
async def serving_mail(password: str) -> AsyncIterator[tuple[int, trio.abc.ReceiveStream]]:
    """Run a server; yields its port and the stream of its mails."""
    command = [sys.executable, "-W", "ignore", __file__, password]
    process = await trio.lowlevel.open_process(command, stdout=PIPE)
    assert process.stdout is not None
    try:
        port = b""
        while not port.endswith(b"\n"):
            more = await process.stdout.receive_some(1)
            assert more, "the mail server has ended"
            port += more
        yield int(port), process.stdout
    finally:
        process.kill()
        await process.stdout.aclose()
        with trio.move_on_after(5, shield=True):
            await process.wait()


async def _serve(password: bytes) -> None:
    def login(*arguments: object) -> AuthResult:
        given = arguments[-1]
        is_right = isinstance(given, LoginPassword) and given.password == password
        return AuthResult(success=is_right, handled=is_right)  # otherwise the server refuses

    def session() -> SMTP:
        return SMTP(_Mailbox(), authenticator=login, auth_required=True, auth_require_tls=False)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1].encode()))
