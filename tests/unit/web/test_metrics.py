"""The metrics, as the parsers of Prometheus and OpenMetrics read them; their formatting alternates with checks."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families

from tests.doubles import MOMENT, a_failure, a_target, an_outcome
from tests.unit.web.turns import Turns
from watcher.model.alerts.of_target import TargetAlerts
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Fault, Reason
from watcher.model.state import Standing, State
from watcher.web.access.rules import AccessRules
from watcher.web.app import app_of
from watcher.web.metrics.of_targets import TARGETS_A_TURN
from watcher.web.metrics.scrape import MAX_SCRAPES
from watcher.web.present import Present

if TYPE_CHECKING:
    from watcher.model.outcome import Outcome

TOKEN = "0123456789abcdef"
ODD = 'a "b" \\ <c>'
UP, DOWN = (Standing(state, MOMENT, state) for state in (State.UP, State.DOWN))

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def a_present(*outcomes: Outcome) -> Present:
    """Return the state of a daemon after some checks."""
    addresses = {outcome.target: outcome.address for outcome in outcomes}
    targets = [a_target(name, address=address, group=f"of {name[0]}") for name, address in addresses.items()]
    present = Present(
        targets={target.name: target for target in targets},
        location="fra",
        outbox_size=lambda: (7, 700),
        entries_lost=lambda: 5,
        notifications=lambda: (4, {("ops", "sent"): 3}),
        is_database_up=lambda: True,
        drained_until=lambda: 90.0,
        clock=lambda: 100.0,
        workers=trio.CapacityLimiter(10),
    )
    for outcome in outcomes:
        standing = UP if outcome.ok else DOWN
        present.board.place({outcome.target: standing})
        present.board.put(Conclusion(outcome, standing))
        present.tally.count(outcome)
    return present


THREE = (
    an_outcome(
        "shop", redirects=1, http_version="1.1", ip="192.0.2.1", cert_expires_at=datetime.fromtimestamp(2_000, UTC)
    ),
    a_failure("shop"),
    an_outcome("shop", http_version="2", ip="::1", redirects=0, lateness_seconds=0.02, skipped_slots=3),
    a_failure(ODD)._replace(fault=Fault(Reason.REGEX, "is not there")),
    an_outcome("https://shop.example/health"),
)


async def scraped(
    present: Present, query: str = "", rules: AccessRules | None = None, **headers: str
) -> tuple[dict[str, str], bytes, int]:
    """Scrape, and return headers, body, and the number of its pieces."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        await trio.lowlevel.checkpoint()

    fields = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {"type": "http", "method": "GET", "path": "/metrics", "query_string": query.encode(), "scheme": "http"}
    scope |= {
        "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
    }
    await app_of(present, rules or AccessRules())(scope, trio.sleep_forever, send)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return answered | {"status": str(sent[0]["status"])}, b"".join(one["body"] for one in sent[1:]), len(sent) - 1


def samples_of(families: Any) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


async def test_labels_of_a_target_are_included_for_private_access() -> None:
    present = a_present(an_outcome("shop"), an_outcome("other"))
    labels = (("team", 'w"eb'), ("tier", "1"))
    present.targets = {**present.targets, "shop": replace(present.targets["shop"], alerts=TargetAlerts(labels=labels))}
    _, body, _ = await scraped(present)
    found = samples_of(text_string_to_metric_families(body.decode()))
    written = {"target": "shop", "label_team": 'w"eb', "label_tier": "1"}
    for name, more in {"probe_success": {}, "watcher_checks_total": {"reason": "ok"}}.items():
        assert found[name, tuple(sorted({**written, **more}.items()))] == 1
        assert found[name, tuple(sorted({"target": "other", **more}.items()))] == 1
    _, body, _ = await scraped(present, rules=AccessRules(token=TOKEN, is_public=True))
    assert b"label_" not in body


async def test_every_series_is_read_by_both_parsers() -> None:
    headers, body, _ = await scraped(a_present(*THREE))
    found = samples_of(text_string_to_metric_families(body.decode()))
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"

    def of(name: str, target: str = "shop", **labels: str) -> float | None:
        return found.get((name, tuple(sorted({"target": target, **labels}.items()))))

    assert of("probe_success") == 1
    assert of("probe_success", ODD) == 0
    assert of("probe_duration_seconds") == pytest.approx(0.1432)
    assert of("probe_http_duration_seconds", phase="tls") == pytest.approx(0.0402)
    assert (of("probe_http_status_code"), of("probe_http_status_code", ODD)) == (200, 503)
    assert (of("probe_http_redirects"), of("probe_http_redirects", ODD)) == (0, None)
    assert (of("probe_http_version"), of("probe_ip_protocol")) == (2, 6)
    assert (of("probe_failed_due_to_regex"), of("probe_failed_due_to_regex", ODD)) == (0, 1)
    assert of("probe_ssl_earliest_cert_expiry") is None  # of the last check alone
    assert of("watcher_target_state", group="of s", location="fra", state="up") == 1
    assert of("watcher_target_state", ODD, group="of a", location="fra", state="down") == 1
    assert (of("watcher_checks_total", reason="ok"), of("watcher_checks_total", reason="status")) == (2, 1)
    own = {name: value for (name, labels), value in found.items() if not labels}
    assert own["watcher_checks_skipped_total"] == 3
    assert (own["watcher_outbox_rows"], own["watcher_outbox_bytes"], own["watcher_entries_lost_total"]) == (7, 700, 5)
    assert own["watcher_notifications_pending"] == 4
    assert found["watcher_notifications_total", (("channel", "ops"), ("result", "sent"))] == 3
    assert (own["watcher_database_up"], own["watcher_drain_lag_seconds"]) == (1, 10)
    assert (own["watcher_checks_in_flight"], own["watcher_check_slots"], own["watcher_targets"]) == (0, 10, 3)
    assert (own["watcher_replicas"], own["watcher_replica_targets"]) == (1, 3)
    assert own["watcher_check_lateness_seconds_count"] == own["watcher_check_duration_seconds_count"] == 5
    assert found["watcher_check_lateness_seconds_bucket", (("le", "0.01"),)] == 4
    assert found["watcher_check_lateness_seconds_bucket", (("le", "0.025"),)] == 5

    headers, body, _ = await scraped(a_present(*THREE), accept="application/openmetrics-text;version=1.0.0,*/*;q=0.1")
    assert headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    changing = ("process_", "python_")
    assert {
        key
        for key in samples_of(open_metrics_families(body.decode()))  # type: ignore[no-untyped-call]
        if not key[0].startswith(changing)
    } == {key for key in found if not key[0].startswith(changing)}


async def test_the_compressed_answer_is_the_same_and_only_sent_if_accepted() -> None:
    for accepted, is_gzip in (("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("deflate", False)):
        headers, body, _ = await scraped(a_present(*THREE), accept_encoding=accepted)
        assert ("content-encoding" in headers) == is_gzip
        assert b'probe_success{target="shop"} 1\n' in (gzip.decompress(body) if is_gzip else body)


async def test_targets_can_be_chosen_and_left_out() -> None:
    present = a_present(*THREE)
    for query, targets in (
        ("group=of+s", {"shop"}),
        ("name=shop&name=https://shop.example/health", {"shop", "https://shop.example/health"}),
        ("group=of+s&name=nobody", set()),
    ):
        _, body, _ = await scraped(present, query)
        found = samples_of(text_string_to_metric_families(body.decode()))
        assert {dict(labels)["target"] for _, labels in found if "target" in dict(labels)} == targets
    present.shows_targets = False
    _, body, _ = await scraped(present)
    assert b"target=" not in body
    assert b"watcher_targets 3\n" in body


async def test_a_replica_exports_the_number_of_replicas_and_its_targets() -> None:
    present = a_present(*THREE)
    present.share = lambda: (2, 1)
    _, body, _ = await scraped(present)
    assert b"\nwatcher_replicas 2\n" in body
    assert b"\nwatcher_replica_targets 1\n" in body


async def test_the_public_reads_no_address() -> None:
    public = AccessRules(token=TOKEN, is_public=True)
    _, body, _ = await scraped(a_present(*THREE), rules=public)
    assert b"https://" not in body
    assert b'probe_success{target="Site 3"}' in body
    assert b'reason="failed"' in body
    assert b"status" not in body
    assert b"regex" not in body
    _, body, _ = await scraped(a_present(*THREE), "name=https://shop.example/health", rules=public)
    assert b"probe_success{" not in body
    _, body, _ = await scraped(a_present(*THREE), rules=public, authorization=f"Bearer {TOKEN}")
    assert b'probe_success{target="https://shop.example/health"}' in body


async def test_many_targets_come_in_pieces_and_the_checks_have_turns_in_between() -> None:
    present = a_present(*(an_outcome(f"site {number}") for number in range(20 * TARGETS_A_TURN)))
    turns = Turns()
    trio.lowlevel.add_instrument(turns)
    _, body, pieces = await scraped(present)
    assert body.count(b"\nprobe_success{") == 20 * TARGETS_A_TURN
    assert pieces > 10
    assert turns.now > 20


async def test_too_many_scrapes_at_once_are_asked_to_retry() -> None:
    present, statuses = a_present(*THREE), list[str]()
    app = app_of(present, AccessRules())
    scope = {"type": "http", "method": "GET", "path": "/metrics", "query_string": b"", "scheme": "http"}
    scope |= {"client": ("127.0.0.1", 1), "headers": [(b"host", b"localhost")]}
    enough = trio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(str(message["status"]))
            await enough.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(MAX_SCRAPES + 1):
            nursery.start_soon(app, dict(scope), trio.sleep_forever, send)
        await trio.testing.wait_all_tasks_blocked()
        enough.set()
    assert sorted(statuses) == ["200"] * MAX_SCRAPES + ["503"]
