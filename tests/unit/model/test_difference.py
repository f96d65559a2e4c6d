"""The difference between two configurations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jmespath
import pytest
import re2

from tests.doubles import a_target
from watcher.model.alerts.of_target import TargetAlerts
from watcher.model.difference import Difference, difference
from watcher.model.state import Thresholds
from watcher.model.target import Connecting, Expectations, HeaderPattern, JsonExpectation, Sending, TlsOptions

if TYPE_CHECKING:
    from watcher.model.target import Target

A, B, C = a_target("a"), a_target("b"), a_target("c")


def expecting(target: Target, **expected: Any) -> Target:
    return replace(target, expected=Expectations(**expected))


def test_targets_come_and_go_by_their_names() -> None:
    other = replace(C, address="http://127.0.0.1:2/")
    found = difference([A, B], [other, B])
    assert found == Difference(added=(other,), removed=(A,), targets=(other, B))
    assert found.unchanged == 1
    assert not found.is_empty


def test_an_unchanged_target_under_a_new_name_is_renamed_if_unambiguous() -> None:
    told_otherwise = replace(C, group="shop", alerts=TargetAlerts(description="x"))
    slower, twin = replace(C, interval_seconds=11.0), a_target("d")
    assert difference([A], [told_otherwise]).renamed == {"a": "c"}
    assert difference([A, B], [told_otherwise, B]).renamed == {"a": "c"}
    assert difference([A], [slower]).renamed == {}
    assert difference([A], [C, twin]).renamed == {}
    assert difference([A, B], [C]).renamed == {}
    assert difference([A], [A, C]).renamed == {}


def test_unchanged_targets_keep_their_objects() -> None:
    found = difference([A, B], [a_target("b"), a_target("a")])  # the order in the file does not matter
    assert found.is_empty
    assert [one is other for one, other in zip(found.targets, (B, A), strict=True)] == [True, True]
    assert found.unchanged == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "http://127.0.0.1:2/"},
        {"address": A.address, "shown_address": "http://127.0.0.1:1/?a=***"},
        {"group": "shop"},
        {"locations": ("fra", "nyc")},
        {"quorum": 2},
        {"interval_seconds": 11.0},
        {"timeout_seconds": 9.0},
        {"retries": 1},
        {"retry_interval_seconds": 2.0},
        {"recheck_interval_seconds": 2.0},
        {"enabled": False},
        {"thresholds": Thresholds(failure=4)},
        {"sending": Sending(headers=(("X-Token", "another"),))},
        {"sending": Sending(authorization="Bearer another")},
        {"sending": Sending(body=b"another")},
        {"connecting": Connecting(proxy_url="http://proxy:3128")},
        {"connecting": Connecting(tls=TlsOptions(ca_file="ca.pem", files_digest="another"))},
        {"expected": Expectations(status_codes=((200, 299), (301, 301)))},
        {"expected": Expectations(body_matches=(re2.compile(b"x"),))},
        {"expected": Expectations(headers_match=(HeaderPattern("Server", re2.compile(b"x")),))},
        {"expected": Expectations(degraded_after_seconds=1.5)},
    ],
)
def test_whatever_is_written_counts(changes: dict[str, Any]) -> None:
    changed = a_target("a", **changes)
    assert difference([A, B], [changed, B]) == Difference(changed=(changed,), targets=(changed, B))


def test_patterns_are_the_same_when_their_texts_are() -> None:
    texts = [f"{number} of these" for number in range(300)]  # more than RE2 remembers
    before = [expecting(a_target(text), body_lacks=(re2.compile(text.encode()),)) for text in texts]
    after = [expecting(a_target(text), body_lacks=(re2.compile(text.encode()),)) for text in texts]
    assert any(one.expected != other.expected for one, other in zip(before, after, strict=True)), (
        "else nothing is shown"
    )
    assert difference(before, after).is_empty


def test_one_and_true_are_two_values_of_json() -> None:
    def expected(value: object) -> Target:
        return expecting(A, json=(JsonExpectation("ok", jmespath.compile("ok"), value),))

    assert difference([expected(1)], [expected(1)]).is_empty
    assert difference([expected(1)], [expected(True)]).changed == (expected(True),)


def test_a_header_that_may_be_missing_is_another_expectation() -> None:
    def expected(allow_missing: bool) -> Target:
        return expecting(A, headers_lack=(HeaderPattern("Server", re2.compile(b"x"), allow_missing),))

    assert difference([expected(False)], [expected(False)]).is_empty
    assert not difference([expected(False)], [expected(True)]).is_empty
