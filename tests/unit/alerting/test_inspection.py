"""Channels are checked while the configuration is read: templates, secrets, and addresses that Apprise must know."""

import re
from collections.abc import Sequence

from watcher.alerting.channels.inspection import Inspector
from watcher.model.alerts.channel import AppriseReceiver, Channel, ExecReceiver, WebhookReceiver


class Asked:
    """Rejects addresses that contain `bad`, and records what it was asked."""

    def __init__(self) -> None:
        self.urls: list[list[str]] = []

    def __call__(self, urls: Sequence[str]) -> list[str | None]:
        self.urls.append(list(urls))
        return ["no such service" if "bad" in url else None for url in urls]


def test_templates_secrets_and_addresses_are_looked_at() -> None:
    asked = Asked()
    channels = (
        Channel("a", ExecReceiver(("x",)), title="{{ title }", body="one\n{% if x %}\n"),
        Channel("b", AppriseReceiver("good://1"), body="{{ text }}"),
        Channel("c", AppriseReceiver("bad://1")),
        Channel("d", WebhookReceiver("https://hooks.example/", "whsec_%%")),
        Channel("e", WebhookReceiver("https://hooks.example/", "%%")),
    )
    found = list(Inspector(asked)(channels))
    assert [(number, key, re.split("[;.] ", text)[0]) for number, key, text in found] == [
        (0, "title", "is not a template of Jinja2: line 1: unexpected '}'"),
        (0, "body", "is not a template of Jinja2: line 2: Unexpected end of template"),
        (3, "webhook", "the part of `secret` behind `whsec_` is not base64"),
        (2, "url", "is not accepted by Apprise: no such service"),
    ]


def test_an_address_that_was_good_is_not_asked_for_again() -> None:
    asked = Asked()
    inspect = Inspector(asked)
    for urls in (
        ["good://1", "bad://1", "good://1"],
        ["good://1", "bad://1"],
        ["good://1"],
        ["good://2"],
        ["good://1"],
    ):
        list(inspect([Channel(f"{number}", AppriseReceiver(url)) for number, url in enumerate(urls)]))
    assert asked.urls == [["good://1", "bad://1"], ["bad://1"], ["good://2"], ["good://1"]]


def test_without_a_helper_nothing_is_wrong() -> None:
    def asked(urls: Sequence[str]) -> list[str | None]:
        raise OSError("no process can be started")

    assert list(Inspector(asked)([Channel("a", AppriseReceiver("bad://1"))])) == []
