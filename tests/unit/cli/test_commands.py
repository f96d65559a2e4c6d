"""The commands as a user types them: their output, on which stream, and their exit status."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from watcher import __version__
from watcher.cli import main
from watcher.config.env.settings import DEFAULTS

ROOT = Path(__file__).resolve().parents[3]
HANG_SECONDS = 120
COMMANDS = list(main.summaries)
READERS = [command for command in COMMANDS if command not in {"init", "completion"}]

GOOD = "urls:\n  - address: https://example.com/\n  - address: https://example.org/\n"
BAD = "urls:\n  - address: nohost\n  - address: https://example.com/\n    intervall: 5\n"
BAD_LINES = [
    "config.yaml:2:14: urls[0].address: 'nohost' is not an http or https URL; write it as in https://example.com/",
    "config.yaml:4:5: urls[1].intervall: unknown key; did you mean interval?",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a valid configuration."""
    (tmp_path / ".env").write_text("CONFIG_FILE_PATH=config.yaml\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(GOOD, encoding="utf-8")
    return tmp_path


@pytest.fixture
def bad_folder(folder: Path) -> Path:
    """A working folder with an invalid configuration."""
    (folder / "config.yaml").write_text(BAD, encoding="utf-8")
    return folder


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: it is bound, so that no other program gets it, but does not listen."""
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def watcher(folder: Path, *arguments: str, **variables: str) -> Result:
    """Run a command in this process, without any setting of the environment."""
    environment = {**dict.fromkeys(DEFAULTS), **variables}
    with chdir(folder):
        return CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False)


def process(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in its own process, as a user does."""
    environment = {key: value for key, value in os.environ.items() if key not in DEFAULTS}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "watcher", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )


def error_lines(result: Result, status: int) -> list[str]:
    """Return the output of an error, which is on stderr only."""
    assert (result.exit_code, result.stdout) == (status, "")
    return result.stderr.splitlines()


def usage_error(result: Result) -> str:
    """Return the one line of a usage error."""
    [line] = error_lines(result, 2)
    assert line.startswith("watcher: ")
    return line.removeprefix("watcher: ")


@pytest.mark.slow
def test_a_good_configuration_is_said_to_be_good(folder: Path) -> None:
    result = process(folder, "validate")
    assert (result.returncode, result.stdout, result.stderr) == (0, "config.yaml: 2 targets, no mistakes\n", "")


@pytest.mark.slow
def test_a_bad_configuration_ends_every_command_and_starts_nothing(bad_folder: Path) -> None:
    before = sorted(bad_folder.rglob("*"))
    result = process(bad_folder)
    assert (result.returncode, result.stdout, result.stderr.splitlines()) == (2, "", BAD_LINES)
    assert error_lines(watcher(bad_folder, "run"), 2) == BAD_LINES
    lines = error_lines(watcher(bad_folder, "validate"), 2)
    assert [line for line in lines if " | " not in line] == BAD_LINES
    assert len(lines) == 3 * len(BAD_LINES), "each with its line of the file, and where in it"
    assert sorted(bad_folder.rglob("*")) == before


@pytest.mark.slow
def test_the_daemon_reports_a_bad_configuration_as_json_events(bad_folder: Path) -> None:
    env = bad_folder / ".env"
    env.write_text(f"{env.read_text(encoding='utf-8')}WATCHER_LOG_FORMAT=json\n", encoding="utf-8")
    result = process(bad_folder)
    assert (result.returncode, result.stdout) == (2, "")
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert {(event["level"], event["event"]) for event in events} == {("error", "the configuration has a mistake")}
    lines = [
        f"{event['file']}:{event['line']}:{event['column']}: {event['where']}: {event['message']}" for event in events
    ]
    assert lines == BAD_LINES
    # The others are for people; `validate` has `--json`.
    assert [line for line in error_lines(watcher(bad_folder, "validate"), 2) if " | " not in line] == BAD_LINES


@pytest.mark.slow
def test_so_it_does_of_all_else_that_ends_it(folder: Path) -> None:
    result = process(folder, WATCHER_LOG_FORMAT="json", WATCHER_LOG_FILE="config.yaml/x", POSTGRES_HOST="127.0.0.1")
    event = json.loads(result.stderr.splitlines()[-1])
    assert (result.returncode, event["level"], event["event"]) == (2, "error", "watcher cannot go on")
    assert event["error"].startswith("WATCHER_LOG_FILE: config.yaml/x cannot be written: ")


def test_an_invalid_log_format_is_reported_as_text(folder: Path) -> None:
    [line] = error_lines(watcher(folder, WATCHER_LOG_FORMAT="yaml"), 2)
    assert line == "environment: WATCHER_LOG_FORMAT: 'yaml' is not one of text, json; write one of these"


def test_validate_starts_nothing_for_a_good_configuration_either(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert watcher(folder, "validate").exit_code == 0
    assert sorted(folder.rglob("*")) == before


def test_validate_takes_another_file_under_the_same_settings(bad_folder: Path) -> None:
    (bad_folder / "other.yaml").write_text(GOOD, encoding="utf-8")
    result = watcher(bad_folder, "validate", "other.yaml")
    assert (result.exit_code, result.stdout) == (0, "other.yaml: 2 targets, no mistakes\n")
    [line] = error_lines(watcher(bad_folder, "validate", "nope.yaml"), 2)
    assert "'nope.yaml' cannot be read: No such file or directory" in line


def runnable(command: str) -> list[str]:
    """Return the arguments that make a command read the settings."""
    needed = {
        "check": ["--all"],
        "silence": ["--list"],
        "ack": ["NAME"],
        "rename": ["OLD", "NEW"],
        "notify": ["--test"],
    }
    return [command, *needed.get(command, [])]


def test_a_bad_line_of_the_settings_is_a_bad_configuration(folder: Path) -> None:
    (folder / ".env").write_text("CONFIG_FILE_PATH=config.yaml\nPOSTGRES_PORT=http\n", encoding="utf-8")
    for command in READERS:
        line, *source_line = error_lines(watcher(folder, *runnable(command)), 2)
        assert source_line == (["    2 | POSTGRES_PORT=http", "      | ^"] if command == "validate" else [])
        assert line == ".env:2:1: POSTGRES_PORT: 'http' is not a port; write a whole number from 1 to 65535, as in 5432"


@pytest.mark.parametrize("command", READERS)
def test_without_settings_every_command_says_what_is_missing(tmp_path: Path, command: str) -> None:
    [line] = error_lines(watcher(tmp_path, *runnable(command)), 2)
    assert line.startswith(".env: CONFIG_FILE_PATH: is mandatory; ")
    assert "--env-file" in line


@pytest.mark.parametrize("variable", ["nope.yaml", "co\nnfig.yaml", "x" * 5000], ids=["missing", "two_lines", "long"])
def test_a_real_variable_wins_and_its_mistake_is_one_line(folder: Path, variable: str) -> None:
    [line] = error_lines(watcher(folder, "validate", CONFIG_FILE_PATH=variable), 2)
    assert line.startswith("environment: CONFIG_FILE_PATH: '")
    assert len(line) < 2000


@pytest.mark.parametrize(
    "arguments",
    [
        ["--env-file", "other.env", "validate"],
        ["validate", "--env-file", "other.env"],
        ["--env-file", ".env", "validate", "--env-file", "other.env"],
    ],
    ids=["before", "after", "both"],
)
def test_the_settings_are_named_before_or_after_the_command(bad_folder: Path, arguments: list[str]) -> None:
    (bad_folder / "other.env").write_text("CONFIG_FILE_PATH=other.yaml\n", encoding="utf-8")
    (bad_folder / "other.yaml").write_text(GOOD, encoding="utf-8")
    result = watcher(bad_folder, *arguments)
    assert (result.exit_code, result.stdout) == (0, "other.yaml: 2 targets, no mistakes\n")


@pytest.mark.parametrize(
    "name",
    ["nope.env", "", "no\npe.env", "x" * 5000, "config.yaml/nope.env"],
    ids=["missing", "empty", "two_lines", "long", "in_a_file"],
)
def test_settings_that_are_named_must_be_there(folder: Path, name: str) -> None:
    for arguments in (["--env-file", name, "validate"], ["validate", "--env-file", name]):
        assert usage_error(watcher(folder, *arguments)).startswith("--env-file: the file '")


def test_a_folder_cannot_be_the_settings(folder: Path) -> None:
    assert "is a directory" in usage_error(watcher(folder, "validate", "--env-file", "."))


def test_without_a_command_missing_settings_are_a_usage_error_too(folder: Path) -> None:
    assert usage_error(watcher(folder, "--env-file", "nope.env")) == "--env-file: the file 'nope.env' does not exist"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nope"], "No such command 'nope'; known are init, validate, check, run, "),
        (["no\npe"], r"No such command 'no\npe'; known are init, "),
        (["valdiate"], "No such command 'valdiate'; did you mean validate?"),
        (["--nope"], "No such option"),
        (["validate", "--nope"], "No such option"),
        (["validate", "a", "b"], "Got unexpected extra argument (b)"),
        (["validate", "a", "b\nc"], r"Got unexpected extra argument (b\nc)"),
        (["failures", "--limit", "0"], "Invalid value for '--limit': 0 is not in the range"),
        (["failures", "--limit", "x"], "Invalid value for '--limit': 'x' is not a valid integer"),
        (["failures", "--since"], "Option '--since' requires an argument."),
        (["failures", "--target"], "Option '--target' requires an argument."),
        (["completion"], "Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish"),
    ],
)
def test_a_usage_error_is_one_line(folder: Path, arguments: list[str], line: str) -> None:
    assert usage_error(watcher(folder, *arguments)).startswith(line)


def test_since_takes_a_duration_only(folder: Path) -> None:
    for since in ("nonsense", "", "5", "h", "-5h", "5 h", "5w", "1e3h", "5h 5m", "5\nh", "9999999999d", "nan"):
        line = usage_error(watcher(folder, "failures", "--since", since))
        assert (
            line == f"Invalid value for '--since': {since!r} is not a duration; write one as in 30m, 24h, 7d or 1h30m"
        )


@pytest.mark.parametrize("since", ["500ms", "0s", "1.5h", "1h30m", "7d", "999999999d"])
def test_without_its_database_failures_says_so_in_one_line(folder: Path, since: str, closed_port: int) -> None:
    (folder / ".env").write_text(
        f"CONFIG_FILE_PATH=config.yaml\nPOSTGRES_HOST=127.0.0.1\nPOSTGRES_PORT={closed_port}\nPOSTGRES_PASSWORD=hunter2\n",
        encoding="utf-8",
    )
    [line] = error_lines(watcher(folder, "failures", "--since", since), 1)
    assert line.startswith("watcher: ")
    assert str(closed_port) in line
    assert "hunter2" not in line


def test_failures_of_an_embedded_database_that_was_never_started_are_none(folder: Path) -> None:
    [line] = error_lines(watcher(folder, "failures"), 1)
    assert line.startswith("watcher: nothing has been stored in ")
    assert "start the daemon first" in line


@pytest.mark.parametrize("arguments", [[], *[[command] for command in COMMANDS]])
def test_every_command_has_help_with_an_example(tmp_path: Path, arguments: list[str]) -> None:
    result = watcher(tmp_path, *arguments, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"Example: {' '.join(['watcher', *arguments])}" in result.stdout
    assert "--env-file FILE" in result.stdout


def test_help_lists_every_command(tmp_path: Path) -> None:
    listed = watcher(tmp_path, "--help").stdout.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "] == COMMANDS


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    result = process(tmp_path, "--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"watcher, version {__version__}\n", "")


def test_the_daemon_keeps_no_libraries_of_terminals_in_memory(tmp_path: Path) -> None:
    code = (
        "import sys; from watcher.cli import main; main.get_command(None, 'run')\n"
        "print({'rich', 'pygments'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert found.stdout == "set()\n"
