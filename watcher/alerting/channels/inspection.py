"""Looks at channels while the configuration is read: whether templates compile, and Apprise takes the addresses.

It blocks: call it in a thread where a loop runs.
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
    """Finds mistakes that only those who deliver know of; an address that was good is not asked for again."""

    def __init__(
        self, complaints_about: Callable[[Sequence[str]], Sequence[str | None]] = complaints_about_urls
    ) -> None:
        """Know no address yet.

        Args:
            complaints_about: says of each address why Apprise does not take it, without what is secret, or None.
        """
        self._complaints_about = complaints_about
        self._good: frozenset[str] = frozenset()

    def __call__(self, channels: Sequence[Channel]) -> Iterator[tuple[int, str, str]]:
        """Yield the index of a channel, the key that is wrong, and what is wrong and what to do."""
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
                text = f"is not taken by Apprise: {words_of_apprise.rstrip('.')}"
                yield number, "url", f"{text}; see https://appriseit.com/services/"

    def _complaints(self, urls: Iterable[str]) -> dict[str, str | None]:
        known = {url for url in urls if url in self._good}
        unknown = [url for url in dict.fromkeys(urls) if url not in known]
        try:
            complaints = dict(zip(unknown, self._complaints_about(unknown), strict=True)) if unknown else {}
        except OSError:  # as where no process can be started: it is no mistake in the file
            complaints = {}
        self._good = frozenset({*known, *(url for url, complaint in complaints.items() if complaint is None)})
        return complaints
