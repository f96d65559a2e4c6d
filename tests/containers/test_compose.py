"""The shipped Dockerfile and docker-compose.yml, run for real: needs a Docker engine, Compose and root.

All tests share one running project; each leaves it running and healthy.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.containers.compose_project import (
    DATABASE_CONTAINER,
    MONITOR_CONTAINER,
    ComposeProject,
    RecordedFailure,
    copy_project,
    docker,
    inspect,
    run_command,
    wait_until,
)

INTERVAL_SECONDS = 2
LIVE_ADDRESS = "http://neighbour:8000/"
# The name resolves and the host is there, but nothing listens.
DEAD_ADDRESS = "http://neighbour:9/"

# None of them is a default: values in the containers come from this file.
SETTINGS = f"""\
CONFIG_FILE_PATH=config/watched.yaml
POSTGRES_USER=observer
POSTGRES_PASSWORD=not-the-default
POSTGRES_DB=observations
MAX_WORKERS=4
MIN_INTERVAL_VAL={INTERVAL_SECONDS}
MAX_INTERVAL_VAL={INTERVAL_SECONDS}
"""
TARGETS = f"""\
urls:
  - name: Live
    address: {LIVE_ADDRESS}
    interval: {INTERVAL_SECONDS}
  - name: Dead
    address: {DEAD_ADDRESS}
    interval: {INTERVAL_SECONDS}
"""
# A site to watch, next to the monitor; Compose reads a file of this name by itself.
SITE = """\
services:
  neighbour:
    image: python:3.13-slim-bookworm
    command: ["python3", "-m", "http.server", "8000", "--directory", "/srv"]
    init: true
"""
IMPATIENT_MONITOR = """\
services:
  app:
    command: ["./wait-for-it.sh", "db:5432", "-t", "2", "--", "watcher", "run"]
"""
SUCCESS_LINE = re.compile(rf'^\S+Z success target="Live" url={re.escape(LIVE_ADDRESS)} status=200 duration_ms=[\d.]+ ')


@pytest.fixture(scope="module")
def base_images() -> None:
    """The base images of the project, or stand-ins for them."""
    run_command(Path(__file__).parent / "make_images.sh", timeout_seconds=600)


@pytest.fixture(scope="module")
def project(base_images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    """The project, configured for these tests and running."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    (folder / ".env").write_text(SETTINGS)
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "watched.yaml").write_text(TARGETS)
    (folder / "docker-compose.override.yml").write_text(SITE)
    running = ComposeProject(folder, name="watcher-container-tests", user="observer", database="observations")
    running.down()
    try:
        running.up()
        yield running
    finally:
        # Shown only when a test has failed, and then the first thing to read.
        for container in (DATABASE_CONTAINER, MONITOR_CONTAINER):
            subprocess.run(["docker", "logs", "--tail", "60", container], timeout=60, check=False)
        running.down()


@pytest.fixture(scope="module")
def image(project: ComposeProject) -> str:
    """The image that the monitor runs from."""
    identifier: str = inspect(MONITOR_CONTAINER)["Image"]
    return identifier


def run_in_image(image: str, script: str) -> str:
    """Run a shell script in its own container."""
    return docker("run", "--rm", "--network", "none", image, "sh", "-c", script)


def run_in_monitor(script: str) -> str:
    """Run a shell script beside the running monitor."""
    return docker("exec", MONITOR_CONTAINER, "sh", "-c", script)


def dead_failures(project: ComposeProject) -> list[RecordedFailure]:
    """Return the database's rows about the target that never answers."""
    return project.recorded_failures("Dead")


def test_both_containers_become_healthy(project: ComposeProject) -> None:
    assert inspect(DATABASE_CONTAINER)["State"]["Health"]["Status"] == "healthy"
    assert inspect(MONITOR_CONTAINER)["State"]["Health"]["Status"] == "healthy"


def test_failures_of_a_dead_url_are_in_the_table(project: ComposeProject) -> None:
    failures = wait_until(lambda: dead_failures(project), 30, "failures in the table")
    assert {(failure.address, failure.reason) for failure in failures} == {(DEAD_ADDRESS, "connect")}
    assert project.recorded_failures("Live") == []


def test_successes_of_a_live_url_are_in_the_log(project: ComposeProject) -> None:
    lines = wait_until(project.success_log, 30, "successes in monitor.log")
    assert all(SUCCESS_LINE.match(line) for line in lines), lines


def test_the_monitor_runs_without_root(project: ComposeProject) -> None:
    identities = run_in_monitor("cat /proc/[0-9]*/status | grep -E '^(Uid|Gid|CapEff|NoNewPrivs):'").splitlines()
    assert {" ".join(line.split()) for line in identities} == {
        "Uid: 10001 10001 10001 10001",
        "Gid: 10001 10001 10001 10001",
        "CapEff: 0000000000000000",
        "NoNewPrivs: 1",
    }


def test_the_monitor_can_write_its_data_and_nothing_else(project: ComposeProject) -> None:
    run_in_monitor("touch /var/lib/watcher/probe /tmp/probe && rm /var/lib/watcher/probe /tmp/probe")
    for read_only in ("/app/config", "/app", "/opt/watcher"):
        refusal = run_in_monitor(f"touch {read_only}/probe 2>&1 || true")
        assert "Read-only file system" in refusal


def test_the_port_of_the_database_is_not_published(project: ComposeProject) -> None:
    assert not any(inspect(DATABASE_CONTAINER)["NetworkSettings"]["Ports"].values())


def test_the_image_has_no_build_tools(image: str) -> None:
    tools = "gcc g++ cc c++ cpp clang rustc cargo go make cmake ld as"
    assert run_in_image(image, f"for tool in {tools}; do command -v $tool; done; true") == ""


def test_the_image_holds_nothing_of_the_checkout_but_the_script(image: str) -> None:
    assert run_in_image(image, "ls -A /app") == "wait-for-it.sh\n"


@pytest.mark.parametrize(
    ("heartbeat", "exit_code"),
    [("touch", 0), ("touch -d '10 seconds ago'", 0), ("touch -d '20 seconds ago'", 1), ("rm -f", 1)],
)
def test_the_health_check_notices_a_hung_monitor(image: str, heartbeat: str, exit_code: int) -> None:
    kind, check = docker("inspect", "--format", '{{join .Config.Healthcheck.Test "\\n"}}', image).strip().split("\n")
    assert kind == "CMD-SHELL"
    script = f"{heartbeat} /var/lib/watcher/heartbeat; ({check}) 2>&1 >/dev/null; echo exit code $?"
    assert run_in_image(image, script).splitlines()[-1] == f"exit code {exit_code}"


def test_the_wait_for_the_database_can_be_stopped_as_process_1(image: str) -> None:
    arguments = ("./wait-for-it.sh", "127.0.0.1:9", "-t", "60", "--", "true")
    container = docker("run", "--detach", "--network", "none", image, *arguments).strip()
    try:
        wait_until(lambda: "waiting up to" in read_errors(container), 20, "the script waits")
        began_at = time.monotonic()
        docker("stop", "--time", "20", container)
        assert time.monotonic() - began_at < 10
        # 128 + SIGTERM; a killed one has 137.
        assert inspect(container)["State"]["ExitCode"] == 143
    finally:
        docker("rm", "--force", "--volumes", container)


def read_errors(container: str) -> str:
    """Return a container's stderr."""
    result = subprocess.run(["docker", "logs", container], capture_output=True, text=True, timeout=60, check=True)
    return result.stderr


def stop_monitor(project: ComposeProject) -> None:
    """Stop the monitor, which has to end by itself, in time and in order."""
    began_at = time.monotonic()
    project.compose("stop", "app")
    took_seconds = time.monotonic() - began_at
    state = inspect(MONITOR_CONTAINER)["State"]
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 0, False)
    assert took_seconds < 10


def test_stop_ends_the_monitor_cleanly(project: ComposeProject) -> None:
    try:
        stop_monitor(project)
    finally:
        project.compose("start", "app")
    project.wait_until_healthy()


def restart_database(project: ComposeProject) -> None:
    """An outage of a moment."""
    project.compose("restart", "db")


def take_database_away(project: ComposeProject) -> None:
    """An outage that lasts for several checks; the successes, which do not need a database, show their pace."""
    project.compose("stop", "db")
    successes_before = len(project.success_log())
    wait_until(lambda: len(project.success_log()) >= successes_before + 3, 30, "checks during the outage")
    project.compose("start", "db")


@pytest.mark.parametrize("outage", [restart_database, take_database_away])
def test_an_outage_of_the_database_loses_nothing(
    project: ComposeProject, outage: Callable[[ComposeProject], None]
) -> None:
    watched_since_seconds = time.time()
    wait_until(
        lambda: [f for f in dead_failures(project) if f.scheduled_at_seconds > watched_since_seconds],
        30,
        "a failure before the outage",
    )
    began_at_seconds = time.time()
    outage(project)
    ended_at_seconds = time.time()
    project.wait_until_healthy()
    wait_until(
        lambda: dead_failures(project)[-1].scheduled_at_seconds > ended_at_seconds, 30, "failures after the outage"
    )
    try:
        # Idle, so that log and table can be compared without one being ahead of the other.
        stop_monitor(project)
        recorded = dead_failures(project)
        logged = project.logged_failures("Dead")
        assert len(set(logged)) == len(logged)
        assert {failure.check_id for failure in recorded} == set(logged)
        around_outage = [
            failure.scheduled_at_seconds for failure in recorded if failure.scheduled_at_seconds > watched_since_seconds
        ]
        assert around_outage[0] < began_at_seconds < ended_at_seconds < around_outage[-1]
        longest_gap_seconds = max(later - earlier for earlier, later in pairwise(around_outage))
        # One slot may be skipped under the load of the restart.
        assert longest_gap_seconds <= 2 * INTERVAL_SECONDS + 0.5
    finally:
        project.compose("start", "app")
    project.wait_until_healthy()


def test_stop_ends_the_monitor_cleanly_while_the_database_is_away(project: ComposeProject) -> None:
    project.compose("stop", "db")
    try:
        successes_before = len(project.success_log())
        wait_until(lambda: len(project.success_log()) > successes_before, 30, "a check without a database")
        stop_monitor(project)
    finally:
        project.compose("start")
    project.wait_until_healthy()


def share_all(paths: set[str], monitors: int) -> bool:
    """Return whether that many monitors agree, each has a target, and each target has one of them."""
    [location] = json.loads(run_in_monitor("watcher replicas --json"))
    counts = [replica["targets"] for replica in location["replicas"] if replica["state"] == "agreed"]
    return len(counts) == monitors and all(counts) and sum(counts) == len(paths)


def test_replicas_share_the_targets_and_take_over_those_of_one_that_is_killed(project: ComposeProject) -> None:
    paths = {f"/?target={number}" for number in range(24)}
    entries = [
        f'  - {{name: "{path}", address: "http://neighbour:8000{path}", interval: {INTERVAL_SECONDS}}}\n'
        for path in sorted(paths)
    ]
    watched = project.folder / "config" / "watched.yaml"
    watched.write_text("urls:\n" + "".join(entries))
    try:
        project.compose("--profile", "scale", "up", "--detach", "--build", "--scale", "replica=2")
        wait_until(lambda: share_all(paths, monitors=3), 60, "three monitors share all targets")
        killed, _ = project.compose("--profile", "scale", "ps", "--quiet", "replica").split()
        docker("kill", killed)
        wait_until(lambda: share_all(paths, monitors=2), 60, "the others have all targets")
        site = project.compose("ps", "--quiet", "neighbour").strip()
        since = str(int(time.time()) + 1)
        wait_until(lambda: paths <= asked_paths(site, since), 30, "every target is checked")
    finally:
        project.compose("--profile", "scale", "rm", "--stop", "--force", "-v", "replica")
        watched.write_text(TARGETS)
    project.wait_until_healthy()


def asked_paths(site: str, since: str) -> set[str]:
    """Return the requests in the site's log."""
    result = subprocess.run(
        ["docker", "logs", "--since", since, site], capture_output=True, text=True, timeout=60, check=True
    )
    return set(re.findall(r'"GET (\S+) ', result.stdout + result.stderr))


def degraded_site() -> dict[str, dict[str, Any]]:
    """Return the site's state at each place, and the combined one, by location, until none is degraded."""
    # The exit status says that something else is down.
    presents = json.loads(run_in_monitor("watcher status --json || true"))
    told = {present["location"]: present for present in presents if present["target"] == "Site"}
    return told if told.get("*", {}).get("state") == "degraded" else {}


def test_a_site_that_one_of_three_places_cannot_reach_is_degraded(project: ComposeProject) -> None:
    services = ("fra", "nyc", "sgp", "site")
    try:
        project.compose("--profile", "places", "up", "--detach", *services)
        told = wait_until(degraded_site, 120, "the site is degraded")
        assert {place: told[place]["state"] for place in ("fra", "nyc", "sgp")} == {
            "fra": "up",
            "nyc": "up",
            "sgp": "down",
        }
        assert told["*"]["detail"].startswith("down at sgp only, up at fra and nyc: ")
    finally:
        project.compose("--profile", "places", "rm", "--stop", "--force", "-v", *services)
    project.wait_until_healthy()


# The last one, because it creates the monitor's container anew, which empties its log.
def test_a_monitor_that_finds_no_database_is_brought_back_until_it_does(project: ComposeProject) -> None:
    (project.folder / "impatient.yml").write_text(IMPATIENT_MONITOR)
    files = ("docker-compose.yml", "docker-compose.override.yml", "impatient.yml")
    project.compose("stop", "db")
    try:
        options = [option for file in files for option in ("--file", file)]
        project.compose(*options, "up", "--detach", "--no-deps", "app")
        wait_until(lambda: inspect(MONITOR_CONTAINER)["RestartCount"] >= 2, 60, "the monitor is started again")
        assert "timeout: db:5432 took no connection within 2 s" in read_errors(MONITOR_CONTAINER)
    finally:
        project.compose("start", "db")
    project.wait_until_healthy()
