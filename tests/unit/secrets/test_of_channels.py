"""Which parts of a channel are secret, and which stay readable."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from watcher.secrets.of_channels import WORDS_OF_PATHS, masked_answer, secrets_of_alerting


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
        (
            AppriseReceiver("mailtos://jo:hunter2!@mail.example/s3cr3t12/send?key=k3y-of-query"),
            "cannot deliver to mail.example: jo with hunter2%21 or hunter2! to /s3cr3t12/send for k3y-of-query",
            "cannot deliver to mail.example: jo with *** or *** to /***/send for ***",
        ),
        (
            AppriseReceiver("mailtos://jo:hunter2%21@mail.example?pass=hunter3%21"),
            "mail.example: hunter2! hunter3! hunter3%21",
            "mail.example: *** *** ***",
        ),
        (AppriseReceiver("slack://T1JJ3T3L2/A1BRTD4JD"), "slack: T1JJ3T3L2 is not A1BRTD4JD", "slack: *** is not ***"),
        (
            WebhookReceiver("https://hooks.example/s3cr3t12/send?k3y-of-query", None, (("X-Key", "hunter2!"),)),
            "hooks.example: no k3y-of-query in s3cr3t12, hunter2!",
            "hooks.example: no *** in ***, ***",
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
    """In the log and in answers alike; the host stays readable, so that the reader sees where it failed."""
    channel, redactor = Channel("ops", receiver), Redactor()
    redactor.add(secrets_of_alerting(AlertingOptions((channel,))))
    assert (redactor.masked(said), masked_answer(said, channel)) == (left, left)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=4, max_size=24))
def test_no_secret_is_left_however_it_is_made(secret: str) -> None:
    """Receivers quote an address, or a part of it, both as written and decoded."""
    written = quote(secret, safe="")
    for url in (f"json://jo:{written}@hook.example/", f"json://h.example/{written}", f"json://h.example?k={written}"):
        masked = masked_answer(f"I refuse {url}: {secret} or {written}", Channel("ops", AppriseReceiver(url)), 2000)
        assert secret in WORDS_OF_PATHS or (secret not in masked and written not in masked), masked


def test_the_log_shows_none_of_all_that_is_configured() -> None:
    alerting = AlertingOptions(
        (Channel("a", WebhookReceiver("https://h.example/x1y2z3x1", "whsec_x1")),),
        Connectivity(("https://u:pw12@c.example/",)),
        Heartbeat("https://hc.example/5eb63bbb-e01e"),
    )
    redactor = Redactor()
    redactor.add(secrets_of_alerting(alerting))
    assert redactor.masked("x1y2z3x1 whsec_x1 pw12 5eb63bbb-e01e hc.example") == "*** *** *** *** hc.example"
