"""The forms of the page: to silence a site, to end that, and to acknowledge what is open. They are trio-flavoured."""

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
# The overview tells so many, and counts the rest.
SHOWN_SILENCES = 5


@dataclass(frozen=True, slots=True)
class Silencing:
    """What the page knows of silences and acks.

    Attributes:
        present: what holds.
        keeper: returns what takes more of them; None while there is nothing yet that does.
        user: who writes, as far as the settings say; may be empty.
    """

    present: Silences = field(default_factory=Silences)
    keeper: Callable[[], SilenceKeeper | None] = lambda: None
    user: str = ""

    def silences(self, now: datetime) -> list[Silence]:
        """Return the silences that hold, the one that ends first at the top."""
        return sorted((one for one in self.present.silences if one.end > now), key=lambda one: one.end)

    def silences_of(self, site: Site, now: datetime) -> list[Silence]:
        """Return the silences that hold for a site."""
        return [one for one in self.silences(now) if one.covers(site.target, site.group, now)]

    def acks_of(self, site: Site) -> list[Ack]:
        """Return the acks of what is open at a site, the newest first."""
        return [one for one in self.present.acks if one.target == site.target]


class Forms:
    """Takes what is sent with forms; the gate lets only those come here who have said who they are."""

    def __init__(
        self, silencing: Silencing, sites: Callable[[bool], Awaitable[Sites]], clock: Callable[[], datetime]
    ) -> None:
        """Take what is changed.

        Args:
            silencing: see there.
            sites: returns what a viewer may see, by whether it is the public's view.
            clock: returns the time, UTC.
        """
        self._silencing = silencing
        self._sites = sites
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return the routes to be mounted."""
        return [
            Route("/targets/{key}/silence", self._answering(self.silence), methods=["POST"]),
            Route("/targets/{key}/ack", self._answering(self.acknowledge), methods=["POST"]),
            Route("/silences/{id}/end", self._answering(self.end), methods=["POST"]),
        ]

    async def silence(self, request: Request, keeper: SilenceKeeper, site: Site | None) -> Response | None:
        """Silence a site for some hours."""
        fields, now = await _fields_of(request), self._clock()
        if site is None or fields.get("hours", "") not in map(str, HOURS):
            return _sentence(422, "There is no such site, or the number of hours is not one of these.")
        end, why = now + timedelta(hours=int(fields["hours"])), fields.get("why", "")
        await keeper.take(new_silence(start=now, end=end, why=why, by=self._silencing.user, targets=[site.target]))
        return None

    async def acknowledge(self, request: Request, keeper: SilenceKeeper, site: Site | None) -> Response | None:
        """Acknowledge what is open at a site."""
        if site is None or not await keeper.has_open(site.target):
            return _sentence(409, "Nothing is open at this site.")
        why = (await _fields_of(request)).get("why", "")
        await keeper.take(new_ack(site.target, at=self._clock(), why=why, by=self._silencing.user))
        return None

    async def end(self, request: Request, keeper: SilenceKeeper, _site: Site | None) -> Response | None:
        """End a silence; one that has ended is ended."""
        now = self._clock()
        for one in self._silencing.silences(now):
            if str(one.id) == request.path_params["id"]:
                await keeper.take(ended(one, now))
        return None

    def _answering(
        self, take: Callable[[Request, SilenceKeeper, Site | None], Awaitable[Response | None]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Have a form taken in, and lead back to the page that it stood on."""

        async def answer(request: Request) -> Response:
            key = request.path_params.get("key") or (await _fields_of(request)).get("key", "")
            site, keeper = (await self._sites(False)).with_key(key), self._silencing.keeper()
            if keeper is None:
                return _sentence(503, "The daemon has not begun.")
            try:
                refusal = await take(request, keeper, site)
            except OrderError as error:
                return _sentence(422, f"{error.field.capitalize()} {error}.")
            except TooManyError as error:
                return _sentence(409, f"{error}.")
            except OutboxUnavailableError:
                return _sentence(503, "It cannot be written down now; try again.")
            root = request.scope.get("root_path", "")
            back = f"{root}/" if site is None else target_path(root, site.key)
            return refusal or RedirectResponse(back, 303)

        return answer


def _sentence(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)


async def _fields_of(request: Request) -> dict[str, str]:
    """Return the fields of a form, of which the server has bounded the size."""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
