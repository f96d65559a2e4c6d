"""Checks channels when the configuration is read: do templates compile, does Apprise accept the addresses.

It blocks: call it in a thread while a loop runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.alerting.channels.apprise_urls import complaints_about_urls
from watcher.alerting.channels.templates import complaint_about_template
from watcher.alerting.channels.webhook import UnusableSecretError, key_of
from watcher.model.alerts.channel import AppriseReceiver, WebhookReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from watcher.model.alerts.channel import Channel


class Inspector:
    """Finds mistakes that only the delivering code detects; an accepted address is not checked again."""

    def __init__(
        self, complaints_about: Callable[[Sequence[str]], Sequence[str | None]] = complaints_about_urls
    ) -> None:
        """Create one without known addresses.

        Args:
            complaints_about: returns for each address why Apprise rejects it, without secrets; None if it does not.
        """
        self._complaints_about = complaints_about
        self._good: frozenset[str] = frozenset()

    def __call__(self, channels: Sequence[Channel]) -> Iterator[tuple[int, str, str]]:
        """Yield the index of a channel, the wrong key, and a text: what is wrong and what to do."""
        for number, channel in enumerate(channels):
            for key, template in (("title", channel.title), ("body", channel.body)):
                complaint = complaint_about_template(template) if template is not None else None
                if complaint is not None:
                    line, words = complaint
                    text = f"is not a template of Jinja2: line {line}: {words.rstrip('.')}"
                    yield number, key, f"{text}; see https://jinja.palletsprojects.com/templates/"
            if isinstance(channel.receiver, WebhookReceiver) and channel.receiver.secret is not None:
                try:
                    key_of(channel.receiver.secret)
                except UnusableSecretError as error:
                    yield number, "webhook", f"{error}; write what the receiver gave you, or any text without `whsec_`"
        receivers = [(number, channel.receiver) for number, channel in enumerate(channels)]
        urls = {number: receiver.url for number, receiver in receivers if isinstance(receiver, AppriseReceiver)}
        complaints = self._complaints(urls.values())
        for number, url in urls.items():
            if (words_of_apprise := complaints.get(url)) is not None:
                text = f"is not accepted by Apprise: {words_of_apprise.rstrip('.')}"
                yield number, "url", f"{text}; see https://appriseit.com/services/"

    def _complaints(self, urls: Iterable[str]) -> dict[str, str | None]:
        known = {url for url in urls if url in self._good}
        unknown = [url for url in dict.fromkeys(urls) if url not in known]
        try:
            complaints = dict(zip(unknown, self._complaints_about(unknown), strict=True)) if unknown else {}
        except OSError:  # for example, no process can be started: not a mistake in the file
            complaints = {}
        self._good = frozenset({*known, *(url for url, complaint in complaints.items() if complaint is None)})
        return complaints
