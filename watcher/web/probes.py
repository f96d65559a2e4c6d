"""Answers machines about the daemon itself: liveness, readiness and reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

    from watcher.web.present import Present


class Probes:
    """Handles probes and reload requests."""

    def __init__(self, present: Present) -> None:
        """Store the state of the daemon."""
        self._present = present

    async def livez(self, _request: Request) -> Response:
        """Answer that the loop runs: the loop of the checks answers this."""
        return PlainTextResponse("alive\n")

    async def readyz(self, _request: Request) -> Response:
        """Answer whether checks have started, and what is missing."""
        has_begun = self._present.has_begun
        missing = [
            *([] if has_begun else ["checks"]),
            *([] if self._present.is_database_up() else ["database"]),
        ]
        return JSONResponse({"ready": has_begun, "missing": missing}, 200 if has_begun else 503)

    async def reload(self, _request: Request) -> Response:
        """Reload the configuration."""
        self._present.reload()
        return PlainTextResponse("Reloading the configuration; the log has the result.\n", 202)
