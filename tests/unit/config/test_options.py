"""The options of a check, and the values that they become."""

from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from watcher.config.env.settings import Settings
from watcher.config.mistakes import ConfigurationError
from watcher.config.targets.build import parse_targets
from watcher.model.state import Thresholds
from watcher.model.target import Connecting, Expectations, JsonExpectation, Sending, Target, TlsOptions

ADDRESS = "https://example.com/"


def targets_of(settings: Settings, *entries: dict[str, Any], **defaults: Any) -> tuple[Target, ...]:
    """Read entries, which get different addresses."""
    urls = [{"address": f"{ADDRESS}{index}", **entry} for index, entry in enumerate(entries)]
    tree = {"urls": urls} | ({"defaults": defaults} if defaults else {})
    return parse_targets("config.yaml", yaml.safe_dump(tree, sort_keys=False).encode(), settings)


def target_of(settings: Settings, **options: Any) -> Target:
    """Read one entry."""
    [target] = targets_of(settings, options)
    return target


@pytest.mark.parametrize(
    ("options", "sending"),
    [
        ({"method": "post"}, Sending(method="POST")),
        ({"headers": {"Accept": "a/b", "X-Token": "ü"}}, Sending(headers=(("Accept", "a/b"), ("X-Token", "ü")))),
        ({"body": "größer"}, Sending(body="größer".encode())),
        ({"follow_redirects": False}, Sending(follow_redirects=False)),
        ({"max_redirects": 0}, Sending(max_redirects=0)),
        ({"basic_auth": {"username": "u", "password": "p:ü"}}, Sending(authorization="Basic dTpwOsO8")),
        ({"basic_auth": {"username": "u", "password": ""}}, Sending(authorization="Basic dTo=")),
        ({"authorization": {"credentials": "t"}}, Sending(authorization="Bearer t")),
        ({"authorization": {"type": "Token", "credentials": "t"}}, Sending(authorization="Token t")),
    ],
)
def test_requests(options: dict[str, Any], sending: Sending, settings: Settings) -> None:
    assert target_of(settings, **options).sending == sending


@pytest.mark.parametrize(
    ("options", "connecting"),
    [
        ({"preferred_ip_protocol": "ip6"}, Connecting(ip_protocol="ip6")),
        ({"resolve_to": "2001:DB8::0"}, Connecting(resolve_to="2001:db8::")),
        ({"proxy_url": "socks5h://u:p@[::1]:1080"}, Connecting(proxy_url="socks5h://u:p@[::1]:1080")),
        ({"http_version": 1.1}, Connecting(http_version="1.1")),
        ({"http_version": 2}, Connecting(http_version="2")),
        ({"http_version": "auto"}, Connecting()),
        ({"keep_alive": True}, Connecting(keep_alive=True)),
        ({"allow_private": False}, Connecting(allow_private=False)),
        ({"tls_config": {"insecure_skip_verify": True}}, Connecting(tls=TlsOptions(insecure_skip_verify=True))),
        ({"tls_config": {"min_version": "TLS10"}}, Connecting(tls=TlsOptions(min_version="TLS10"))),
        ({"tls_config": {"server_name": "a.example"}}, Connecting(tls=TlsOptions(server_name="a.example"))),
    ],
)
def test_how_it_is_connected(options: dict[str, Any], connecting: Connecting, settings: Settings) -> None:
    assert target_of(settings, **options).connecting == connecting


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"valid_status_codes": [200, "300-399"]}, Expectations(status_codes=((200, 200), (300, 399)))),
        ({"json": [{"path": "a.b", "equals": None}]}, Expectations(json=(JsonExpectation("a.b", None, None),))),
        ({"body_size_limit": 1}, Expectations(body_limit_bytes=1)),
        ({"degraded_after": "1500ms"}, Expectations(degraded_after_seconds=1.5)),
        ({"cert_expiry_days": 14}, Expectations(cert_expiry_days=14)),
    ],
)
def test_expectations(options: dict[str, Any], expected: Expectations, settings: Settings) -> None:
    assert target_of(settings, **options).expected == expected


def test_patterns_of_all_kinds(settings: Settings) -> None:
    expected = target_of(
        settings,
        regex="a",
        fail_if_body_not_matches_regexp=["b"],
        fail_if_body_matches_regexp=["c", "d"],
        fail_if_header_matches=[{"header": "X-A", "regexp": "e"}],
        fail_if_header_not_matches=[{"header": "X-B", "regexp": "f", "allow_missing": True}],
    ).expected
    assert [pattern.pattern for pattern in expected.body_matches] == [b"a", b"b"]
    assert [pattern.pattern for pattern in expected.body_lacks] == [b"c", b"d"]
    [lacks], [matches] = expected.headers_lack, expected.headers_match
    assert (lacks.header, lacks.pattern.pattern, lacks.allow_missing) == ("X-A", b"e", False)
    assert (matches.header, matches.pattern.pattern, matches.allow_missing) == ("X-B", b"f", True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("9s", 9), ("0.1m", 6), ("1s500ms", 1.5), (2.5, 2.5), ("0.001h", 3.6), ("0.0001d", 8.64)],
)
def test_durations(text: object, seconds: float, settings: Settings) -> None:
    assert target_of(settings, timeout=text).timeout_seconds == seconds
    assert target_of(settings, interval=10, retry_interval=text).retry_interval_seconds == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "5 m", "-1s", "1e3s", "5min", "1,5s", "٣s", True, [1]])
def test_invalid_durations(text: object, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="is not a duration"):
        target_of(settings, retry_interval=text)


def test_retries(settings: Settings) -> None:
    target = target_of(settings, retries=3, retry_interval=0)
    assert (target.retries, target.retry_interval_seconds) == (3, 0)
    assert target_of(settings).retries == 0


def test_options_about_the_state(settings: Settings) -> None:
    usual = target_of(settings)
    assert (usual.thresholds, usual.recheck_interval_seconds, usual.enabled) == (Thresholds(3, 2), None, True)
    target = target_of(settings, failure_threshold=1, success_threshold=1000, recheck_interval="500ms", enabled=False)
    assert (target.thresholds, target.recheck_interval_seconds, target.enabled) == (Thresholds(1, 1000), 0.5, False)


def test_one_threshold_leaves_the_other_as_it_is(settings: Settings) -> None:
    assert target_of(settings, failure_threshold=5).thresholds == Thresholds(5, 2)
    assert target_of(settings, success_threshold=5).thresholds == Thresholds(3, 5)


@pytest.mark.parametrize("seconds", [0.01, 1, 4.999, 5])
def test_a_recheck_may_come_sooner_than_any_interval_but_no_later_than_its_own(
    seconds: float, settings: Settings
) -> None:
    assert target_of(settings, interval=5, recheck_interval=seconds).recheck_interval_seconds == seconds


def test_options_about_the_state_are_allowed_in_defaults(settings: Settings) -> None:
    first, second, third = targets_of(
        settings,
        {"interval": 8},
        {"interval": 3},
        {"recheck_interval": "2s", "failure_threshold": 1, "enabled": True},
        recheck_interval=4,
        failure_threshold=5,
        success_threshold=4,
        enabled=False,
    )
    assert (first.recheck_interval_seconds, first.thresholds, first.enabled) == (4, Thresholds(5, 4), False)
    assert (second.recheck_interval_seconds, second.enabled) == (None, False)  # the default yields to the interval
    assert (third.recheck_interval_seconds, third.thresholds, third.enabled) == (2, Thresholds(1, 4), True)
    assert first.thresholds is second.thresholds


def test_who_watches_may_stand_in_defaults(settings: Settings) -> None:
    found = targets_of(
        settings,
        {},
        {"locations": []},
        {"locations": ["tok"]},
        {"quorum": 1},
        {"locations": ["fra", "nyc", "sgp", "tok"]},
        locations=["fra", "nyc", "sgp"],
        quorum=3,
    )
    places = [("fra", "nyc", "sgp"), (), ("tok",), ("fra", "nyc", "sgp"), ("fra", "nyc", "sgp", "tok")]
    assert [target.locations for target in found] == places
    assert [target.quorum for target in found] == [3, 0, 1, 1, 3]
    assert [target.is_watched_at("fra") for target in found] == [True, True, False, True, True]
    majorities = [
        target_of(settings, locations=["fra", "nyc", "sgp", "tok", "lax"][:count]).quorum for count in range(1, 6)
    ]
    assert majorities == [1, 2, 2, 3, 3]
    assert [target.quorum for target in targets_of(settings, {}, {"locations": ["fra"]}, quorum=2)] == [0, 1]


def test_defaults_hold_where_an_entry_says_nothing(settings: Settings) -> None:
    first, second = targets_of(
        settings,
        {"interval": 5},
        {"regex": "other", "group": "b", "timeout": 4},
        interval=10,
        timeout=8,
        regex="ok",
        group="a",
        headers={"Accept": "a/b"},
    )
    assert (first.group, first.interval_seconds, first.timeout_seconds) == ("a", 5, 5)
    assert (second.group, second.interval_seconds, second.timeout_seconds) == ("b", 10, 4)
    assert [target.expected.body_matches[0].pattern for target in (first, second)] == [b"ok", b"other"]
    assert first.sending is second.sending


def test_a_default_may_be_undone_by_the_other_way_to_authorise(settings: Settings) -> None:
    first, second = targets_of(
        settings, {}, {"basic_auth": {"username": "u", "password": "p"}}, authorization={"credentials": "t"}
    )
    assert first.sending.authorization == "Bearer t"
    assert second.sending.authorization == "Basic dTpw"


def test_equal_parts_are_one_object_and_true_is_not_one(settings: Settings) -> None:
    first, second, third, fourth = targets_of(
        settings,
        {"json": [{"path": "a", "equals": 1}], "headers": {"A": "b"}},
        {"json": [{"path": "a", "equals": 1}], "headers": {"A": "b"}, "interval": 5},
        {"json": [{"path": "a", "equals": True}]},
        {},
    )
    assert first.expected is second.expected
    assert first.sending is second.sending
    assert first.connecting is third.connecting is fourth.connecting
    assert first.thresholds is second.thresholds is third.thresholds is fourth.thresholds
    assert third.expected.json[0].equals is True


def test_secrets_come_from_files_beside_the_config_file(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    text = f"urls: [{{address: '{ADDRESS}', authorization: {{credentials_file: {tmp_path / 'token'}}}}}]"
    [target] = parse_targets("config.yaml", text.encode(), settings)
    assert target.sending.authorization == "Bearer hunter2"
    assert "hunter" not in repr(target)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty; write the secret into it"),
        (b"\n \n", "is empty; write the secret into it"),
        (b"hunter2\nhunter3\n", "has more than one line, or an unprintable character"),
        (b"hunter2\xff", "is not UTF-8; name a file of one secret"),
        (b"hunter2" * 10_000, "has more than 65536 bytes; name a file of one secret"),
    ],
)
def test_a_bad_file_of_a_secret(content: bytes, complaint: str, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        target_of(settings, authorization={"credentials_file": str(tmp_path / "token")})
    assert str(caught.value).endswith(complaint)
    assert "hunter" not in str(caught.value)


def test_files_of_tls_are_tried(tmp_path: Path, settings: Settings) -> None:
    authority, other = trustme.CA(), trustme.CA()
    pair = authority.issue_cert("client.example")
    for name, blob in {
        "ca": authority.cert_pem,
        "cert": pair.cert_chain_pems[0],
        "key": pair.private_key_pem,
        "other": other.issue_cert("other.example").private_key_pem,
    }.items():
        blob.write_to_path(str(tmp_path / name))
    (tmp_path / "text").write_text("hello")

    def tls_of(**files: str) -> TlsOptions:
        return target_of(settings, tls_config={key: str(tmp_path / file) for key, file in files.items()}).connecting.tls

    assert tls_of(ca_file="ca", cert_file="cert", key_file="key").cert_file == str(tmp_path / "cert")
    with pytest.raises(ConfigurationError, match=r"ca_file: .*/text' has no certificates in PEM"):
        tls_of(ca_file="text")
    with pytest.raises(
        ConfigurationError, match=r"cert_file: .*/cert' and its key cannot be used \(key values mismatch"
    ):
        tls_of(cert_file="cert", key_file="other")
    with pytest.raises(ConfigurationError, match=r"cert_file: .*/cert' and its key cannot be used"):
        tls_of(cert_file="cert")
    with pytest.raises(ConfigurationError, match=r"key_file: .*/nope' cannot be read: No such file or directory"):
        tls_of(cert_file="cert", key_file="nope")
