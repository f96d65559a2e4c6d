"""Handles the forms of the page: silence a site, end a silence, acknowledge an incident. Trio."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from watcher.alerting.silences.orders import OrderError, TooManyError, ended, new_ack, new_silence
from watcher.alerting.silences.present import Silences
from watcher.outbox.errors import OutboxUnavailableError
from watcher.web.sites import target_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from watcher.alerting.silences.keeper import SilenceKeeper
    from watcher.model.alerts.silence import Ack, Silence
    from watcher.web.sites import Site, Sites

HOURS = (1, 4, 24)
# The number of silences in the overview, which counts the rest.
SHOWN_SILENCES = 5


@dataclass(frozen=True, slots=True)
class Silencing:
    """The silences and acks for the page.

    Attributes:
        present: the active ones.
        keeper: returns the keeper that stores new ones; None until it has started.
        user: the author of new ones, from the settings; may be empty.
    """

    present: Silences = field(default_factory=Silences)
    keeper: Callable[[], SilenceKeeper | None] = lambda: None
    user: str = ""

    def silences(self, now: datetime) -> list[Silence]:
        """Return the active silences, sorted by their end."""
        return sorted((one for one in self.present.silences if one.end > now), key=lambda one: one.end)

    def silences_of(self, site: Site, now: datetime) -> list[Silence]:
        """Return the active silences of a site."""
        return [one for one in self.silences(now) if one.covers(site.target, site.group, now)]

    def acks_of(self, site: Site) -> list[Ack]:
        """Return the acks of a site's open incident, newest first."""
        return [one for one in self.present.acks if one.target == site.target]


class Forms:
    """Handles submitted forms; the gate admits only authenticated callers."""

    def __init__(
        self, silencing: Silencing, sites: Callable[[bool], Awaitable[Sites]], clock: Callable[[], datetime]
    ) -> None:
        """Store the dependencies.

        Args:
            silencing: the silences and acks.
            sites: returns the sites that a viewer may see; its argument is whether the viewer is the public.
            clock: returns the time, UTC.
        """
        self._silencing = silencing
        self._sites = sites
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return the routes to mount."""
        return [
            Route("/targets/{key}/silence", self._answering(self.silence), methods=["POST"]),
            Route("/targets/{key}/ack", self._answering(self.acknowledge), methods=["POST"]),
            Route("/silences/{id}/end", self._answering(self.end), methods=["POST"]),
        ]

    async def silence(self, request: Request, keeper: SilenceKeeper, site: Site | None) -> Response | None:
        """Silence a site for some hours."""
        fields, now = await _fields_of(request), self._clock()
        if site is None or fields.get("hours", "") not in map(str, HOURS):
            return _sentence(422, "Unknown site, or the number of hours is not one of these.")
        end, why = now + timedelta(hours=int(fields["hours"])), fields.get("why", "")
        await keeper.take(new_silence(start=now, end=end, why=why, by=self._silencing.user, targets=[site.target]))
        return None

    async def acknowledge(self, request: Request, keeper: SilenceKeeper, site: Site | None) -> Response | None:
        """Acknowledge the open incident of a site."""
        if site is None or not await keeper.has_open(site.target):
            return _sentence(409, "Nothing is open at this site.")
        why = (await _fields_of(request)).get("why", "")
        await keeper.take(new_ack(site.target, at=self._clock(), why=why, by=self._silencing.user))
        return None

    async def end(self, request: Request, keeper: SilenceKeeper, _site: Site | None) -> Response | None:
        """End a silence; does nothing if it has ended."""
        now = self._clock()
        for one in self._silencing.silences(now):
            if str(one.id) == request.path_params["id"]:
                await keeper.take(ended(one, now))
        return None

    def _answering(
        self, take: Callable[[Request, SilenceKeeper, Site | None], Awaitable[Response | None]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that processes a form and redirects to its page."""

        async def answer(request: Request) -> Response:
            key = request.path_params.get("key") or (await _fields_of(request)).get("key", "")
            site, keeper = (await self._sites(False)).with_key(key), self._silencing.keeper()
            if keeper is None:
                return _sentence(503, "The daemon has not started.")
            try:
                refusal = await take(request, keeper, site)
            except OrderError as error:
                return _sentence(422, f"{error.field.capitalize()} {error}.")
            except TooManyError as error:
                return _sentence(409, f"{error}.")
            except OutboxUnavailableError:
                return _sentence(503, "It cannot be stored now; try again.")
            root = request.scope.get("root_path", "")
            back = f"{root}/" if site is None else target_path(root, site.key)
            return refusal or RedirectResponse(back, 303)

        return answer


def _sentence(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)


async def _fields_of(request: Request) -> dict[str, str]:
    """Return the fields of a form, whose size the server has bounded."""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
