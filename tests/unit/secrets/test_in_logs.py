"""Masks every secret of a configuration in text of any origin."""

import pytest

from tests.doubles import a_target
from watcher.model.target import Sending, Target, basic_authorization
from watcher.secrets.in_logs import Redactor
from watcher.secrets.masking import masked
from watcher.secrets.of_targets import secrets_of
from watcher.text.escaping import MAX_VALUE_CHARS
from watcher.text.redaction import without_secrets_inside


def a_redactor(*secrets: str) -> Redactor:
    redactor = Redactor()
    redactor.add(secrets)
    return redactor


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a", "a"),
        ("hunter2", "***"),
        ("<hunter2>", "<***>"),
        ("hunter", "hunter"),
        ("hunthunter2er2", "hunt***er2"),
        ("hunter2hunter2 hunter2", "*** ***"),
        ("a p%C3%A4%20ss b", "a *** b"),
        ("GET https://u:x@h/a?b=c, failed", "GET https://h/a?b=*** failed"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert a_redactor("hunter2", "pä ss").masked(text) == shown


def test_short_or_public_values_are_not_secrets() -> None:
    assert a_redactor("abc", "postgres", "").masked("abc postgres") == "abc postgres"


def test_ten_thousand_secrets_are_known_at_once() -> None:
    redactor = Redactor()
    redactor.add(targets=[a_target(sending=Sending(authorization=f"Bearer token-{n}-Zq7x")) for n in range(10_000)])
    assert (
        redactor.masked("with Bearer token-9999-Zq7x, token-0-Zq7x and token-x") == "with Bearer ***, *** and token-x"
    )


def test_what_was_secret_before_a_reload_stays_so() -> None:
    redactor = a_redactor("hunter2")
    redactor.add(["hunter3"])
    redactor.add(["hunter3"])
    assert redactor.masked("hunter2 hunter3 hunter4") == "*** *** hunter4"


@pytest.mark.parametrize(
    "target",
    [
        a_target(address="https://someone:hunter2@a.example/?b=hunter3&hunter4"),
        a_target(sending=Sending(authorization=basic_authorization("someone", "hunter2/+"))),
        a_target(sending=Sending(headers=(("X-Key", "hunter2 is my key"), ("Cookie", "a=hunter3; b=hunter4")))),
    ],
)
def test_what_consists_of_secrets_is_masked_by_its_parts(target: Target) -> None:
    values = [target.address, target.sending.authorization or "", *(value for _, value in target.sending.headers)]
    text = masked(" ".join(values), secrets_of(target))
    for word in ("someone", "hunter", "c29tZW9u", "is my key"):
        assert word not in text


def test_a_password_that_starts_with_the_user_is_masked_whole() -> None:
    target = a_target(address="https://admin:admin12@a.example/")
    assert masked("admin12 admin", secrets_of(target)) == "*** ***"


def test_where_a_text_is_cut_no_half_secret_stands() -> None:
    redactor = a_redactor("hunter2-Zq7x")
    for before in range(MAX_VALUE_CHARS - 20, MAX_VALUE_CHARS + 3):
        for text in ("hunter2-Zq7x", "x://u:hunter9@h/", "x://h?hunter9"):
            fit = redactor.masked_and_cut("a" * (before - 1) + " " + text + "b" * 30)
            assert "hunt" not in fit
            assert len(fit) <= MAX_VALUE_CHARS + 4
        assert "hunt" not in redactor.masked_and_cut(" " * before + "https://u:hunter9" + "b" * 30 + "@h/", is_own=True)
        end = redactor.end_of("a" * before + "hunter2-Zq7x" + "a" * (8000 - 6) + "\n" + "x" * 5, 4000)
        assert end == "" or end.endswith("x")


def test_many_secrets_before_the_cut_draw_no_half_one_in() -> None:
    text = "hunter2-Zq7x " * 2000
    for fit in (
        a_redactor("hunter2-Zq7x").masked_and_cut(text),
        a_redactor("hunter2-Zq7x").end_of(text + "\n" + text, 4000),
    ):
        assert "unter" not in fit
        assert "Zq7x" not in fit


def test_an_address_inside_a_text_is_masked_in_linear_time() -> None:
    assert without_secrets_inside("a" * 100_000 + "://" * 30_000)
    assert without_secrets_inside("no address, but a@b? #c") == "no address, but a@b? #c"
