"""Completion in shells: through click's protocol, and in a real bash."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.unit.cli.typed import typed, write
from watcher.cli import main
from watcher.cli.commands.completion import SHELLS
from watcher.config.env.settings import DEFAULTS

ROOT = Path(__file__).resolve().parents[3]
HANG_SECONDS = 120
CONFIG = """\
urls:
  - {name: Checkout EU, address: https://a.example/}
  - {name: "It's $5: a*b", address: https://b.example/}
  - address: https://u:secret@c.example/x?token=secret
  - {name: Checkbox, address: https://d.example/}
  - {name: "Shop, EU", address: https://e.example/}
  - {name: me@home, address: https://f.example/}
channels: [{name: Chat, exec: [x]}, {name: Chief, url: "ntfys://h.example/x"}, {name: pager, exec: [x]}]
"""
# Completes, and prints its arguments.
PROGRAM = f"""\
#!/bin/sh
[ -z "$_WATCHER_COMPLETE" ] && [ "$1" != completion ] || exec "{sys.executable}" -m watcher "$@"
printf '%s\\n' "$@" ""
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with targets."""
    write(tmp_path, CONFIG)
    return tmp_path


def completed(folder: Path, line: str) -> list[str]:
    """Return what click's protocol completes for the last word of a line."""
    words = line.split(" ")
    result = typed(folder, _WATCHER_COMPLETE="fish_complete", COMP_WORDS=" ".join(words[:-1]), COMP_CWORD=words[-1])
    assert (result.exit_code, result.stderr) == (0, "")
    return [text.partition(",")[2].partition("\t")[0] for text in result.stdout.splitlines() if text]


def in_bash(folder: Path, lines: Iterable[str]) -> list[list[str]]:
    """Return the arguments of each line, after a tab and Enter in an interactive bash."""
    program = folder / "bin" / "watcher"
    program.parent.mkdir()
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key not in DEFAULTS}
    path = f"{program.parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "PATH": path, "HOME": str(folder), "TERM": "dumb"},
        input="\n".join(['eval "$(watcher completion bash)"', *(f"{line}\t" for line in lines), "exit 0\n"]),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=True,
    )
    return [block.splitlines() for block in re.findall(r"((?:.+\n)*)\n", result.stdout)]


def test_commands_come_in_the_order_of_the_help(folder: Path) -> None:
    assert completed(folder, "watcher ") == list(main.summaries)
    assert completed(folder, "watcher re") == ["report", "replicas", "rename"]


@pytest.mark.parametrize("command", ["check", "failures --target", "report --target", "rename"])
def test_the_names_of_targets_are_completed(folder: Path, command: str) -> None:
    assert completed(folder, f"watcher {command} Check") == ["Checkout EU", "Checkbox"]
    assert completed(folder, f"watcher {command} https") == ["https://c.example/x?token=***"]


def test_the_names_of_channels_are_completed(folder: Path) -> None:
    assert completed(folder, "watcher notify --test Ch") == ["Chat", "Chief"]
    assert completed(folder, "watcher notify --test Chat Ch") == ["Chief"]


def test_names_already_on_the_line_are_not_offered_again(folder: Path) -> None:
    assert completed(folder, "watcher check Checkbox Check") == ["Checkout EU"]


def test_the_settings_that_are_named_count(folder: Path) -> None:
    (folder / "other.env").write_text("CONFIG_FILE_PATH=other.yaml\n", encoding="utf-8")
    (folder / "other.yaml").write_text("urls: [{name: Another, address: https://h/}]\n", encoding="utf-8")
    for line in ("watcher --env-file other.env check ", "watcher check --env-file other.env "):
        assert completed(folder, line) == ["Another"]


@pytest.mark.parametrize("config", ["urls: [", "urls: []", "urls: [{name: a, address: nohost}]"])
def test_of_a_broken_configuration_nothing_is_completed(folder: Path, config: str) -> None:
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    assert completed(folder, "watcher check ") == []
    (folder / ".env").unlink()
    assert completed(folder, "watcher check ") == []


def test_to_complete_writes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    completed(folder, "watcher check Check")
    assert sorted(folder.rglob("*")) == before


COMPLETED_BY_BASH = {
    r"watcher check Checkout\ ": ["check", "Checkout EU"],
    'watcher check "Checkout E': ["check", "Checkout EU"],
    "watcher check 'It": ["check", "It's $5: a*b"],
    'watcher check "It': ["check", "It's $5: a*b"],
    "watcher check It": ["check", "It's $5: a*b"],
    "watcher failures --target=Checkb": ["failures", "--target=Checkbox"],
    'watcher failures --target="Sh': ["failures", "--target=Shop, EU"],
    "watcher check https://c": ["check", "https://c.example/x?token=***"],
    "watcher check me@": ["check", "me@home"],
}


@pytest.mark.slow
def test_a_real_bash_completes_whole_names(folder: Path) -> None:
    assert dict(zip(COMPLETED_BY_BASH, in_bash(folder, COMPLETED_BY_BASH), strict=True)) == COMPLETED_BY_BASH


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("watcher failures --target=Sh", "--target=Shop, EU"),
        ("watcher failures --target Sh", "Shop, EU"),
        ("watcher check Sh", "Shop, EU"),
    ],
)
def test_zsh_keeps_the_option_in_front_of_its_value(folder: Path, words: str, value: str) -> None:
    result = typed(folder, _WATCHER_COMPLETE="zsh_complete", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert (result.stdout.splitlines(), result.stderr) == (["plain", value, "_"], "")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed_for_each_shell(tmp_path: Path, shell: str) -> None:
    result = typed(tmp_path, "completion", shell)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"_WATCHER_COMPLETE={shell}_complete" in result.stdout


def test_completion_reads_no_more_than_it_needs() -> None:
    """While a shell waits: commands load without the modules of any, targets without the database and the checks."""
    program = "import sys, importlib; importlib.import_module(sys.argv[1]); print(*sys.modules)"
    for module, unwanted in (
        ("watcher.cli", {"trio", "pydantic", "asyncpg", "structlog", "httpx", "rich"}),
        ("watcher.cli.commands.check", {"asyncpg", "httpx", "rich", "cryptography"}),
    ):
        command = [sys.executable, "-c", program, module]
        loaded = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=HANG_SECONDS, check=True)
        assert unwanted.isdisjoint(loaded.stdout.split())
