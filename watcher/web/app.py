"""Builds the web app: routes each path to its handler, behind the access gate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router

from watcher.web.access.gate import SIGN_IN_PATH, Gate
from watcher.web.api.calls import Source
from watcher.web.api.routes import Api
from watcher.web.metrics.scrape import Metrics
from watcher.web.pages.directory import Directory
from watcher.web.pages.rendering import Look
from watcher.web.pages.routes import Pages
from watcher.web.probes import Probes
from watcher.web.serving.shared import Shared
from watcher.web.silencing import Silencing
from watcher.web.standings import Standings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from watcher.web.access.rules import AccessRules
    from watcher.web.present import Present


def app_of(present: Present, rules: AccessRules) -> ASGIApp:
    """Return the app, behind its gate.

    Args:
        present: the present state of the daemon.
        rules: the access rules.
    """
    shared, turn = Shared(), trio.Lock()
    pages = _pages_of(present, shared, turn, rules)
    source = Source(
        *(pages.present, pages.sites, pages.database, pages.clock, pages.location, turn),
        silences=present.silences,
        keeper=lambda: present.keeper,
    )

    probes = Probes(present)

    async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a page for people, and below `/api` with plain text for machines."""
        request = Request(scope)
        is_api = request.url.path.removeprefix(scope.get("root_path", "")).startswith("/api/")
        response = PlainTextResponse("Not found.\n", 404) if is_api else await pages.missing(request)
        await response(scope, receive, send)

    return Gate(
        Router(
            [
                Route("/livez", probes.livez),
                Route("/readyz", probes.readyz),
                Route("/metrics", Metrics(present, turn)),
                *pages.routes(),
                Route(SIGN_IN_PATH, _sign_in),
                *Api(source, pages.look, shared).routes(),
                Route("/-/reload", probes.reload, methods=["POST"]),
            ],
            redirect_slashes=False,
            default=not_found,
        ),
        rules,
    )


async def _sign_in(request: Request) -> Response:
    """Redirect an authenticated viewer to the page that shows all."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/", 303)


def _pages_of(present: Present, shared: Shared, turn: trio.Lock, rules: AccessRules) -> Pages:
    directory = Directory(lambda: present.targets, lambda: present.page.public_groups)
    return Pages(
        Standings(present.board, present.place_views),
        directory.sites,
        lambda request: Look.of(
            present.page,
            root=request.scope.get("root_path", ""),
            public=not request.state.sees_all,
            sign_in=rules.has_auth,
            may_write=request.state.may_write,
        ),
        lambda: present.database if present.is_database_up() else None,
        lambda: datetime.fromtimestamp(present.clock(), UTC),
        present.location,
        shared,
        turn,
        rules.origin,
        directory.is_public,
        Silencing(present.silences, lambda: present.keeper, rules.user or ""),
    )
