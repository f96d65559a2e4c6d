"""A copy of the project that runs under Compose, and the output of its containers."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
DATABASE_CONTAINER = "postgresdb"
MONITOR_CONTAINER = "monitoring_app"

# Compose prefers the shell to .env: the environment of this process must not decide a test.
_SHELL_SETTINGS = ("POSTGRES_", "WATCHER_", "COMPOSE_", "CONFIG_FILE_PATH")
_FAILURE_LINE = re.compile(r'^\S+Z failure target="(?P<target>[^"]*)" .*\bcheck_id=(?P<check_id>[0-9a-f-]{36})\b', re.M)

Value = TypeVar("Value")


@dataclass(frozen=True)
class RecordedFailure:
    """A row of the table `failures`, with the columns that the tests read."""

    check_id: str
    target: str
    address: str
    reason: str
    scheduled_at_seconds: float


def run_command(
    *command: str | Path,
    timeout_seconds: float = 60,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """Run a command that has to succeed and return its output; its errors appear in the failing test."""
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout_seconds, check=False
    )
    line = " ".join(map(str, command))
    assert result.returncode == 0, f"{line}: exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def docker(*arguments: str, timeout_seconds: float = 60) -> str:
    """Run the docker client."""
    return run_command("docker", *arguments, timeout_seconds=timeout_seconds)


def inspect(container: str) -> dict[str, Any]:
    """The engine's knowledge of a container."""
    description: dict[str, Any] = json.loads(docker("inspect", "--type", "container", container))[0]
    return description


def is_healthy(container: str) -> bool:
    """Whether the container's own health check succeeds."""
    health: str = inspect(container)["State"]["Health"]["Status"]
    return health == "healthy"


def wait_until(condition: Callable[[], Value], timeout_seconds: float, what: str) -> Value:
    """Retry until the answer is true, and return it; a test fails by its deadline instead of hanging."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s: {what}; last seen: {value!r}"
        time.sleep(0.25)
    return value


@cache
def compose_command() -> Sequence[str]:
    """The Compose of this machine: the plugin of version 2, or the program of version 1."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=30, check=False)
    return ("docker", "compose") if plugin.returncode == 0 else ("docker-compose",)


def copy_project(destination: Path) -> None:
    """Copy the files of a clone of the project, and those about to be added to it."""
    listing = run_command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=PROJECT_FOLDER)
    for name in filter(None, listing.split("\0")):
        source = PROJECT_FOLDER / name
        # A file deleted but not yet committed is still listed.
        if source.is_file():
            target = destination / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


@dataclass(frozen=True)
class ComposeProject:
    """The services of one copy of the project."""

    folder: Path
    name: str
    user: str
    database: str

    def compose(self, *arguments: str, timeout_seconds: float = 120) -> str:
        """Run Compose in the project's folder, as a user would."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(_SHELL_SETTINGS)}
        return run_command(
            *compose_command(),
            *arguments,
            timeout_seconds=timeout_seconds,
            folder=self.folder,
            environment=environment | {"COMPOSE_PROJECT_NAME": self.name},
        )

    def up(self) -> None:
        """Build the changed images, start everything and wait until all of it is healthy."""
        self.compose("up", "--detach", "--build", timeout_seconds=600)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """Wait for both containers; the wait for the database may take some of the time."""
        for container in (DATABASE_CONTAINER, MONITOR_CONTAINER):
            wait_until(partial(is_healthy, container), 90, f"{container} is healthy")

    def down(self) -> None:
        """Remove containers, networks and volumes, also those that a killed run left."""
        profiles = ("--profile", "scale", "--profile", "places")
        self.compose(*profiles, "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def query(self, statement: str) -> list[list[str]]:
        """Query the database, inside its container."""
        client = ("psql", "--username", self.user, "--dbname", self.database, "--csv", "--tuples-only")
        output = docker("exec", DATABASE_CONTAINER, *client, "--command", statement)
        return [line.split(",") for line in output.splitlines()]

    def recorded_failures(self, target: str) -> list[RecordedFailure]:
        """The rows of a target, in the order of their slots."""
        rows = self.query(
            "SELECT id, target, address, reason, extract(epoch FROM scheduled_at) FROM failures"
            f" WHERE target = '{target}' ORDER BY scheduled_at"
        )
        return [
            RecordedFailure(check_id, name, address, reason, float(scheduled_at))
            for check_id, name, address, reason, scheduled_at in rows
        ]

    def logged_failures(self, target: str) -> list[str]:
        """The ids of the failed checks that the monitor has reported on its stderr."""
        result = subprocess.run(
            ["docker", "logs", MONITOR_CONTAINER], capture_output=True, text=True, timeout=60, check=True
        )
        return [line["check_id"] for line in _FAILURE_LINE.finditer(result.stderr) if line["target"] == target]

    def success_log(self) -> list[str]:
        """The lines of monitor.log, on the volume of the monitor."""
        return docker("exec", MONITOR_CONTAINER, "cat", "/var/lib/watcher/monitor.log").splitlines()
