"""The systemd unit matches the daemon: its statuses, signals, folders and seconds."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from watcher.cli import main
from watcher.config import load_configuration
from watcher.daemon.run import RELOAD_SIGNAL
from watcher.daemon.stop_ladder import WORST_SECONDS

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
UNIT = DEPLOY / "watcher.service"
README = (DEPLOY / "README.md").read_text(encoding="utf-8")


def lines_of_unit() -> list[str]:
    """Return the unit without its comments."""
    return [line for line in UNIT.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def value(key: str) -> str:
    """Return the value of a key that the unit has once."""
    [found] = [line.partition("=")[2] for line in lines_of_unit() if line.partition("=")[0] == key]
    return found


def installed(name: str) -> str:
    """Return the text that the installation writes to a file of /etc/watcher."""
    match = re.search(rf"^cat >/etc/watcher/{re.escape(name)} <<'END'\n(.*?)^END$", README, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def test_a_bad_configuration_is_not_tried_again(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["run", "--env-file", str(tmp_path / "missing.env")], env={"CONFIG_FILE_PATH": None}
    )
    assert str(done.exit_code) == value("RestartPreventExitStatus")
    assert value("Restart") == "on-failure"


def test_a_reload_sends_the_signal_of_a_reload() -> None:
    assert value("ExecReload") == f"/bin/kill -{RELOAD_SIGNAL.name.removeprefix('SIG')} $MAINPID"


def test_the_daemon_has_the_time_to_stop_its_server_in_order() -> None:
    assert float(value("TimeoutStopSec")) > 2 * WORST_SECONDS
    assert value("KillMode") == "mixed", "a server that gets the signal too is gone while it is written to"


def test_the_daemon_itself_notifies_that_it_is_ready_and_runs() -> None:
    assert value("Type") == "notify"
    assert value("NotifyAccess") == "main"
    # More than a garbage collection or a slow disk takes.
    assert float(value("WatchdogSec")) >= 10


def test_the_installed_files_are_valid_and_write_to_permitted_folders(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(installed("config.yaml"), encoding="utf-8")
    (tmp_path / ".env").write_text(installed(".env").replace("/etc/watcher", str(tmp_path)), encoding="utf-8")
    settings = load_configuration(tmp_path / ".env", {}).settings
    assert settings.data_dir == Path("/var/lib") / value("StateDirectory")
    assert settings.log_file.parent == Path("/var/log") / value("LogsDirectory")
    assert value("WorkingDirectory") == "/etc/watcher"


def test_the_program_and_the_user_are_those_that_are_installed() -> None:
    program, command = value("ExecStart").split()
    assert command == "run"
    assert f"python3 -m venv {Path(program).parent.parent}" in README
    assert f" {value('User')}\n" in re.findall(r"^useradd .*\n", README, re.MULTILINE)[0]


def test_a_password_can_be_handed_over(tmp_path: Path) -> None:
    commented = UNIT.read_text(encoding="utf-8")
    [key, name] = re.findall(r"^#Environment=(\w+)=%d/(\w+)$", commented, re.MULTILINE)[0]
    assert f"#LoadCredential={name}:/etc/watcher/secrets/{name}\n" in commented
    assert f"Environment={key}=%d/{name}\n" in README
    secret = tmp_path / name
    secret.write_text("a long secret\n")
    (tmp_path / "config.yaml").write_text(installed("config.yaml"), encoding="utf-8")
    variables = {"CONFIG_FILE_PATH": str(tmp_path / "config.yaml"), key: str(secret)}
    assert load_configuration(tmp_path / ".env", variables).settings.postgres_password == "a long secret"
