"""A small world for the policy of a channel: flipping sites, silences, acknowledgements and a settable clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from watcher.alerting.policy.channel_policy import ChannelPolicy
from watcher.alerting.policy.event import AlertEvent
from watcher.alerting.policy.incidents import follow
from watcher.alerting.policy.view import View
from watcher.model.alerts.channel import Channel, WebhookReceiver
from watcher.model.outcome import Fault, Reason, check_id
from watcher.model.resumption import NOT_WATCHED
from watcher.model.returns import Returns
from watcher.model.state import Flip, State
from watcher.model.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.alerting.policy.event import Incident
    from watcher.model.alerts.notification import Notification
    from watcher.model.alerts.silence import Ack, Silence

WHY = Fault(Reason.STATUS, "503 Service Unavailable")
BLIND = Fault(Reason.LOCAL, "too many open files")
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
LATEST = datetime.max.replace(tzinfo=UTC)
CHANNEL = Channel("ops", WebhookReceiver("https://hook.example/"))


def target_of(name: str, **fields: object) -> Target:
    """Return a target with these values."""
    address = f"https://{name.lower()}.example/"
    return replace(Target(name, address, address), **fields)  # type: ignore[arg-type]


def at(seconds: float) -> datetime:
    """Return the moment that many seconds after the start."""
    return START + timedelta(seconds=seconds)


class World:
    """Sites and one channel; each flip takes the daemon's own path."""

    def __init__(self, targets: Iterable[Target], channel: Channel = CHANNEL) -> None:
        """Start with all sites up."""
        self.targets = {target.name: target for target in targets}
        self.states = dict.fromkeys(self.targets, State.UP)
        self.stale = set[str]()  # not checked for long
        self.in_doubt = set[str]()
        self.returns = Returns()
        self.silences: tuple[Silence, ...] = ()
        self.acks: tuple[Ack, ...] = ()
        self.incidents: dict[str, Incident | None] = {}
        self.numbers = dict.fromkeys(self.targets, 1)
        self.records: dict[str, str] = {}
        self.policy = ChannelPolicy(channel, {})
        self.channel = channel
        self.sent: list[Notification] = []
        self.events = 0

    @property
    def view(self) -> View:
        """Return the policy's view."""
        return View(
            self.targets,
            self.states.get,
            lambda name: None if name in self.stale else LATEST,
            self.silences,
            self.acks,
            "https://watch.example",
            str.lower,
            self.in_doubt.__contains__,
            self.returns.of,
        )

    def flip(self, moment: datetime, name: str, state: State, cause: Fault | None = None, *, by_check: bool) -> None:
        """Change the state of a site, and pass the flip to the policy."""
        before = self.states[name]
        self.numbers[name] += 1
        which = check_id(name, "default", moment) if by_check else None
        flip = Flip(name, "default", moment, moment, state, before, cause, which, self.numbers[name])
        self.states[name] = state
        self.returns.take(name, state, moment)
        was = self.incidents.get(name)
        now, change = follow(was, flip)
        self.incidents[name] = now
        if change is not None:
            self.events += 1
            event = AlertEvent(self.events, change, moment, now or was, flip, name, "default")
            self.policy.take(event, self.view)
        self.decide(moment)

    def notice(self, moment: datetime, **fields: object) -> None:
        """Pass an event that is not an incident to the policy."""
        self.events += 1
        self.policy.take(AlertEvent(self.events, at=moment, **fields), self.view)  # type: ignore[arg-type]

    def decide(self, now: datetime) -> None:
        """Let the policy decide once, and record its messages."""
        decision = self.policy.decide(now, self.view)
        for key, text in decision.changed.items():
            if text is None:
                self.records.pop(key, None)
            else:
                self.records[key] = text
        self.sent += decision.messages

    def wait_until(self, end: datetime) -> None:
        """Let the policy decide whenever it is due, until a moment."""
        while (due := self.policy.due_at) is not None and due <= end:
            self.decide(due)

    def restart(self, now: datetime) -> None:
        """Continue from the recorded messages."""
        self.policy = ChannelPolicy(self.channel, self.records)
        self.hear_of_open(now)

    def hear_of_open(self, now: datetime) -> None:
        """Let the policy adopt open incidents without a record, as after a start or a reload."""
        opened = (one for one in self.incidents.values() if one is not None)
        lacking = [one for one in opened if self.policy.lacks(one.location, one.target, self.view)]
        self.policy.take_open(lacking, now)


def flip_of_word(world: World, moment: datetime, name: str, word: str) -> None:
    """Carry out one word of a table: a state that checks found, or an event of the monitor."""
    match word:
        case "down" | "degraded":
            world.flip(moment, name, State(word), WHY, by_check=True)
        case "up":
            world.flip(moment, name, State.UP, by_check=True)
        case "blind":
            world.flip(moment, name, State.UNKNOWN, BLIND, by_check=True)
        case "restart":
            world.flip(moment, name, State.UNKNOWN, NOT_WATCHED, by_check=False)
        case "maintenance" | "paused":
            world.flip(moment, name, State(word), Fault(Reason.INTERNAL, word), by_check=False)
        case _:
            raise AssertionError(word)


def told(messages: Iterable[Notification]) -> list[str]:
    """Write messages as short strings: time, kind, sites, and the number of sites left out."""
    lines = []
    for message in messages:
        seconds = (message.created_at - START).total_seconds()
        of_whom = []
        for line in message.payload["targets"]:
            more = f"+{line['dependents']}" if line["dependents"] else ""
            kind = f"{line['kind']} " if line["kind"] != message.kind else ""
            of_whom.append(f"{kind}{line['name']}{more}")
        rest = f" and {message.payload['more']} more" if message.payload["more"] else ""
        lines.append(f"{seconds:g} {message.kind}: {', '.join(of_whom) or message.payload['title']}{rest}")
    return lines
