"""What of channels is a secret, and what is left to read."""

import pytest

from watcher.model.alerts.channel import (
    AlertmanagerReceiver,
    AppriseReceiver,
    Channel,
    ExecReceiver,
    Receiver,
    WebhookReceiver,
)
from watcher.model.alerts.options import AlertingOptions, Connectivity, Heartbeat
from watcher.secrets.in_logs import Redactor
from watcher.secrets.of_channels import secrets_of_alerting


@pytest.mark.parametrize(
    ("receiver", "said", "left"),
    [
        (
            AppriseReceiver("https://hooks.slack.com/services/T0AB12CD3/B0AB12CD3/x1y2z3x1y2z3"),
            "POST hooks.slack.com/services/T0AB12CD3/B0AB12CD3/x1y2z3x1y2z3: 404, no x1y2z3x1y2z3",
            "POST ***: 404, no ***",
        ),
        (
            AppriseReceiver("tgram://123456789:AAbbCCddEEff/-1001234567890/"),
            "https://api.telegram.org/bot123456789:AAbbCCddEEff/sendMessage: chat -1001234567890",
            "https://api.telegram.org/bot***/sendMessage: chat ***",
        ),
        (
            AppriseReceiver("mailtos://me:p%40ss@mail.example?to=you"),
            "535 p@ss at mail.example",
            "535 *** at mail.example",
        ),
        (
            AppriseReceiver("ntfys://ntfy.example/ops"),
            "ntfy.example: ops is not a topic",
            "ntfy.example: ops is not a topic",
        ),
        (AppriseReceiver("discord://1234567890/abc-DEF_4567"), "1234567890 abc-DEF_4567 abc-DEF", "*** *** abc-DEF"),
        (
            WebhookReceiver(
                "https://u:pw12@h.example/in?key=1a2b3c4d5", "whsec_x1", (("Authorization", "Bearer tok3n"),)
            ),
            "h.example said pw12, 1a2b3c4d5, whsec_x1 and tok3n",
            "h.example said ***, ***, *** and ***",
        ),
        (ExecReceiver(("/bin/page", "--token=x1y2z3x1", "--urgent")), "page: --urgent x1y2z3x1", "page: --urgent ***"),
        (
            AlertmanagerReceiver("http://u:pw12@am.example:9093/am"),
            "am.example:9093/am: pw12",
            "am.example:9093/am: ***",
        ),
    ],
)
def test_tokens_are_masked_and_words_are_not(receiver: Receiver, said: str, left: str) -> None:
    redactor = Redactor()
    redactor.add(secrets_of_alerting(AlertingOptions((Channel("ops", receiver),))))
    assert redactor.masked(said) == left


def test_the_log_shows_none_of_all_that_is_configured() -> None:
    alerting = AlertingOptions(
        (Channel("a", WebhookReceiver("https://h.example/x1y2z3x1", "whsec_x1")),),
        Connectivity(("https://u:pw12@c.example/",)),
        Heartbeat("https://hc.example/5eb63bbb-e01e"),
    )
    redactor = Redactor()
    redactor.add(secrets_of_alerting(alerting))
    assert redactor.masked("x1y2z3x1 whsec_x1 pw12 5eb63bbb-e01e hc.example") == "*** *** *** *** hc.example"
