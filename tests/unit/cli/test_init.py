"""`watcher init`: which files it writes, and which it leaves alone."""

import stat
from pathlib import Path

import pytest

from tests.unit.cli.typed import typed
from watcher.cli.commands.init import CONFIG_TEMPLATES, ENV_TEMPLATE, content_of, create

ROOT = Path(__file__).resolve().parents[3]
MADE = [".env", "config/config.yaml", "config/schema.json"]


@pytest.mark.parametrize(("template", "path"), [(ENV_TEMPLATE, ".env"), *CONFIG_TEMPLATES.items()])
def test_shipped_templates_equal_the_files_of_the_repository(template: str, path: str) -> None:
    same = content_of(template) == (ROOT / path).read_bytes()
    assert same, f"run: cp {path} watcher/cli/templates/{template}"


def test_in_an_empty_folder_all_is_written_and_good(tmp_path: Path) -> None:
    result = typed(tmp_path, "init")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        *(f"created {path}" for path in MADE),
        "next: edit config/config.yaml, then watcher run",
    ]
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == MADE
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    validated = typed(tmp_path, "validate")
    assert (validated.exit_code, validated.stderr) == (0, "")
    assert validated.stdout.endswith("no mistakes\n")


def test_existing_files_are_left_alone(tmp_path: Path) -> None:
    typed(tmp_path, "init")
    (tmp_path / "config" / "config.yaml").write_text("mine", encoding="utf-8")
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").symlink_to("nowhere")
    (tmp_path / "config" / "schema.json").unlink()
    result = typed(tmp_path, "init")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:3] == [
        "kept existing .env",
        "kept existing config/config.yaml",
        "created config/schema.json",
    ]
    assert (tmp_path / "config" / "config.yaml").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted([".env", "config", "config.yaml", "schema.json"])


def test_another_folder_is_made_and_named_in_the_next_step(tmp_path: Path) -> None:
    result = typed(tmp_path, "init", "--folder", "my sites/a", "--env-file", "mine.env")
    assert result.exit_code == 0
    assert (tmp_path / "my sites" / "a" / "mine.env").is_file()
    assert result.stdout.splitlines()[-1] == (
        "next: edit config/config.yaml, then cd 'my sites/a' && watcher run --env-file mine.env"
    )


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = typed(tmp_path, "init", "--folder", "file/a")
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("watcher: ")


def test_nothing_of_a_file_that_could_not_be_written_whole_stays(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert not create(tmp_path / "x", b"content", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert create(tmp_path / "y", b"content", 0o600)
    assert (tmp_path / "y").read_bytes() == b"content"
