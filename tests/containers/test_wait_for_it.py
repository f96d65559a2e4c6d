"""wait-for-it.sh alone, against sockets of this machine; needs netcat-openbsd, but not Docker."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "wait-for-it.sh"
USAGE = "usage: wait-for-it.sh HOST:PORT [-t SECONDS] -- COMMAND"
# A hanging script fails its test instead of blocking the run.
HANG_SECONDS = 30
# Far above the time of a signal, and well below the rest of the wait that it ends.
PROMPT_SECONDS = 3


def run_script(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script to its end and return its result."""
    return subprocess.run(
        [SCRIPT, *arguments], input=stdin, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )


def start_script(*arguments: str) -> subprocess.Popen[str]:
    """Start the script for a test that acts on it while it runs."""
    return subprocess.Popen([SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_until_it_waits(*arguments: str) -> subprocess.Popen[str]:
    """Start the script and return once it has said that it waits: from then on it handles signals."""
    process = start_script(*arguments)
    assert process.stderr is not None
    assert "waiting up to" in process.stderr.readline()
    return process


def address_of(server: socket.socket) -> str:
    """Write the address of a socket in the script's form."""
    host, port = server.getsockname()[:2]
    return f"{host}:{port}"


@pytest.fixture
def open_address() -> Iterator[str]:
    """A port that accepts connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield address_of(server)


@pytest.fixture
def closed_address() -> Iterator[str]:
    """A port that refuses connections: it is bound, so that no other program gets it, but does not listen."""
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        yield address_of(unused)


@pytest.fixture
def hanging_address() -> Iterator[str]:
    """A port that neither accepts nor refuses connections: Linux drops them while the queue is full."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=1)) as server:
        queue = [socket.socket() for _ in range(8)]
        try:
            for waiting in queue:
                waiting.setblocking(False)
                waiting.connect_ex(server.getsockname())
            yield address_of(server)
        finally:
            for waiting in queue:
                waiting.close()


@pytest.fixture(params=["closed_address", "hanging_address"])
def unreachable_address(request: pytest.FixtureRequest) -> str:
    """Each way in which a missing database can appear."""
    return str(request.getfixturevalue(request.param))


def test_the_command_runs_and_its_exit_code_and_output_are_kept(open_address: str) -> None:
    result = run_script(open_address, "-t", "5", "--", "sh", "-c", 'cat; echo "$1"; exit 7', "sh", "a  b", stdin="in\n")
    assert (result.returncode, result.stdout) == (7, "in\na  b\n")


def test_a_name_and_an_ipv6_address_are_taken(open_address: str) -> None:
    port = open_address.rpartition(":")[2]
    assert run_script(f"localhost:{port}", "--", "true").returncode == 0
    with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as server:
        assert run_script(f"[::1]:{server.getsockname()[1]}", "-t", "5", "--", "true").returncode == 0


def test_the_command_takes_the_place_of_the_script(open_address: str) -> None:
    process = start_script(open_address, "-t", "5", "--", "sh", "-c", "echo $$")
    assert process.communicate(timeout=HANG_SECONDS)[0] == f"{process.pid}\n"


def test_signals_reach_the_command(open_address: str) -> None:
    command = 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done'
    with start_script(open_address, "-t", "5", "--", "sh", "-c", command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_SECONDS) == 9


def test_the_command_starts_once_the_port_opens() -> None:
    with closing(socket.socket()) as late:
        late.bind(("127.0.0.1", 0))
        with start_until_it_waits(address_of(late), "-t", "20", "--", "echo", "started") as process:
            opening = Timer(1.5, late.listen)
            opening.start()
            assert process.communicate(timeout=HANG_SECONDS)[0] == "started\n"
            assert opening.finished.is_set(), "the command ran before the port was open"
            opening.join()


def test_the_wait_ends_at_its_timeout(unreachable_address: str) -> None:
    began_at = time.monotonic()
    result = run_script(unreachable_address, "-t", "3", "--", "echo", "started")
    took_seconds = time.monotonic() - began_at
    assert (result.returncode, result.stdout) == (1, "")
    assert f"timeout: {unreachable_address} took no connection within 3 s" in result.stderr
    # One attempt and one pause may be under way at the deadline.
    assert 2 <= took_seconds < 3 + 5


def test_sigterm_ends_the_wait_at_once(unreachable_address: str) -> None:
    with start_until_it_waits(unreachable_address, "-t", "60", "--", "echo", "started") as process:
        signalled_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=HANG_SECONDS)
        assert (process.returncode, output) == (128 + signal.SIGTERM, "")
        assert "ended by a signal" in errors
        assert time.monotonic() - signalled_at < PROMPT_SECONDS


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["db:5432"],
        ["db:5432", "--"],
        ["db:5432", "true"],
        ["--", "true"],
        ["db", "--", "true"],
        [":5432", "--", "true"],
        ["db:", "--", "true"],
        ["db:0", "--", "true"],
        ["db:65536", "--", "true"],
        ["db:99999999999999999999", "--", "true"],
        ["db:http", "--", "true"],
        ["::1:5432", "--", "true"],
        ["db:5432", "-t", "--", "true"],
        ["db:5432", "-t", "0", "--", "true"],
        ["db:5432", "-t", "-1", "--", "true"],
        ["db:5432", "-t", "1.5", "--", "true"],
        ["db:5432", "-x", "--", "true"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_says_how_it_goes(arguments: list[str]) -> None:
    result = run_script(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    complaint, usage = result.stderr.splitlines()
    assert complaint.startswith("wait-for-it.sh: ")
    assert usage.startswith(USAGE)


def test_a_missing_netcat_is_named(tmp_path: Path, open_address: str) -> None:
    result = subprocess.run(
        [SCRIPT, open_address, "--", "true"],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert result.returncode == 127
    assert "netcat-openbsd" in result.stderr
