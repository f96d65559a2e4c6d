"""Routes below `/api`. Trio."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from watcher.web.api.calls import content_response
from watcher.web.api.document import document_of
from watcher.web.api.operations import Methods, unless_known
from watcher.web.api.table import OPERATIONS
from watcher.web.pages.rendering import pieces_of
from watcher.web.serving.problems import problem_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from watcher.web.api.calls import Source
    from watcher.web.pages.rendering import Look
    from watcher.web.serving.shared import Shared


@dataclass(frozen=True, slots=True)
class Api:
    """The API of a daemon.

    Attributes:
        source: the data that it serves.
        look: returns the parts that all pages of this viewer share.
        shared: caches responses for simultaneous callers.
    """

    source: Source
    look: Callable[[Request], Look]
    shared: Shared

    def routes(self) -> list[Route]:
        """Return the routes to mount."""
        return [
            Route("/api", self.page, methods=["GET"]),
            Route("/api/openapi.json", self.document, methods=["GET"]),
            *(
                Route(path, Methods([one for one in OPERATIONS if one.path == path], self.source, self.shared))
                for path in dict.fromkeys(one.path for one in OPERATIONS)
            ),
            Route("/api/{rest:path}", nothing, methods=["GET", "POST", "DELETE"]),
        ]

    async def page(self, request: Request) -> Response:
        """Answer with the document as a page for people."""

        async def write() -> Response:
            look = self.look(request)
            pieces = pieces_of("api.html", look, document=_document(look.root), now=self.source.clock())
            return HTMLResponse("".join(pieces), headers={"Cache-Control": "no-cache"})

        return await self.shared.response(request, write)

    async def document(self, request: Request) -> Response:
        """Answer with the document."""

        async def write() -> Response:
            text = json.dumps(_document(self.look(request).root), indent=1)
            return content_response(text.encode(), "application/json")

        return unless_known(request, await self.shared.response(request, write))


async def nothing(request: Request) -> Response:
    """Answer that the path does not exist."""
    del request
    return problem_response(404, "Not found; /api lists what exists.")


@cache
def _document(root: str) -> dict[str, Any]:
    """Build the document on first use; there is one root."""
    return document_of(OPERATIONS, root)
