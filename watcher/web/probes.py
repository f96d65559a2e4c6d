"""What machines ask of the daemon itself: whether it lives, whether it is ready, and to read its files again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

    from watcher.web.present import Present


class Probes:
    """Answers probes, and passes on what is asked for."""

    def __init__(self, present: Present) -> None:
        """Tell of a daemon."""
        self._present = present

    async def livez(self, _request: Request) -> Response:
        """Say that the loop turns: it is the loop of the checks that answers."""
        return PlainTextResponse("alive\n")

    async def readyz(self, _request: Request) -> Response:
        """Say whether checks have begun, and what is not there."""
        has_begun = self._present.has_begun
        missing = [
            *([] if has_begun else ["checks"]),
            *([] if self._present.is_database_up() else ["database"]),
        ]
        return JSONResponse({"ready": has_begun, "missing": missing}, 200 if has_begun else 503)

    async def reload(self, _request: Request) -> Response:
        """Ask for the configuration to be read again."""
        self._present.reload()
        return PlainTextResponse("The configuration is read again; the log says what comes of it.\n", 202)
