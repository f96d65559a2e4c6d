"""`KEY_FILE`: the value of a key of `.env`, in its own file."""

from contextlib import chdir
from pathlib import Path

import pytest

from watcher.config import load_configuration
from watcher.config.env.settings import DEFAULTS, Settings, load_settings, read_settings
from watcher.config.mistakes import ConfigurationError

CONFIG = {"CONFIG_FILE_PATH": "config.yaml"}


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """The path of a file with a password."""
    (tmp_path / "pg").write_text("hunter2\n", encoding="utf-8")
    return str(tmp_path / "pg")


def env_file(folder: Path, content: str) -> Path:
    """Write a `.env`."""
    path = folder / ".env"
    path.write_text(content, encoding="utf-8")
    return path


def lines_of(path: Path, variables: dict[str, str]) -> list[str]:
    """Read settings with mistakes, and return the lines, without the folder of `.env`."""
    _, mistakes = read_settings(path, variables)
    return [str(mistake).replace(f"{path.parent}/", "") for mistake in mistakes]


def password(path: Path, variables: dict[str, str]) -> str:
    """Read the password of a valid configuration."""
    return load_settings(path, {**CONFIG, **variables}).postgres_password


def test_a_value_may_stand_in_a_file(tmp_path: Path, secret: str) -> None:
    assert password(tmp_path / "none", {"POSTGRES_PASSWORD_FILE": secret}) == "hunter2"
    assert password(env_file(tmp_path, f"POSTGRES_PASSWORD_FILE={secret}\n"), {}) == "hunter2"


def test_every_key_takes_its_value_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hunter2 ü\0", encoding="utf-8")
    for key in DEFAULTS:
        # One key is mandatory: if it is in `.env` too, the file is the one too many.
        others = {} if key == "CONFIG_FILE_PATH" else {**CONFIG, key: ""}
        lines = lines_of(tmp_path / ".env", {**others, f"{key}_FILE": str(tmp_path / "file")})
        assert lines[-1].startswith(
            f"environment: {key}_FILE: 'file' has more than one line, or an unprintable character"
        )
        assert "hunter2" not in "".join(lines)


def test_a_relative_path_starts_in_the_working_folder(tmp_path: Path, secret: str) -> None:
    with chdir(tmp_path):
        assert password(Path("none"), {"POSTGRES_PASSWORD_FILE": Path(secret).name}) == "hunter2"


def test_the_environment_wins_in_either_form(tmp_path: Path, secret: str) -> None:
    by_file = env_file(tmp_path, f"POSTGRES_PASSWORD_FILE={secret}\n")
    assert password(by_file, {"POSTGRES_PASSWORD": "real"}) == "real"
    direct = env_file(tmp_path, "POSTGRES_PASSWORD=written\n")
    assert password(direct, {"POSTGRES_PASSWORD_FILE": secret}) == "hunter2"


def test_an_overridden_file_is_not_even_read(tmp_path: Path) -> None:
    path = env_file(tmp_path, "POSTGRES_PASSWORD_FILE=nowhere\n")
    assert password(path, {"POSTGRES_PASSWORD": "real"}) == "real"


def test_an_empty_one_counts_as_unset(tmp_path: Path, secret: str) -> None:
    assert password(tmp_path / "none", {"POSTGRES_PASSWORD_FILE": ""}) == "postgres"
    assert password(tmp_path / "none", {"POSTGRES_PASSWORD": "", "POSTGRES_PASSWORD_FILE": secret}) == "hunter2"
    assert password(env_file(tmp_path, f"POSTGRES_PASSWORD=\nPOSTGRES_PASSWORD_FILE={secret}\n"), {}) == "hunter2"


def test_both_forms_in_one_source_are_a_mistake(tmp_path: Path, secret: str) -> None:
    path = env_file(tmp_path, f"POSTGRES_PASSWORD=x\nPOSTGRES_PASSWORD_FILE={secret}\n")
    text = "POSTGRES_PASSWORD_FILE: is written besides POSTGRES_PASSWORD; remove one"
    assert lines_of(path, CONFIG) == [f".env:2:1: {text}"]
    assert lines_of(tmp_path / "none", {**CONFIG, "POSTGRES_PASSWORD": "x", "POSTGRES_PASSWORD_FILE": secret}) == [
        f"environment: {text}"
    ]


def test_a_key_that_ends_in_file_is_a_key(tmp_path: Path) -> None:
    (tmp_path / "name").write_text("from_file.log", encoding="utf-8")
    direct = load_settings(tmp_path / "none", {**CONFIG, "WATCHER_LOG_FILE": "my.log"})
    by_file = load_settings(tmp_path / "none", {**CONFIG, "WATCHER_LOG_FILE_FILE": str(tmp_path / "name")})
    assert (direct.log_file, by_file.log_file) == (Path("my.log"), Path("from_file.log"))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read: No such file or directory; correct the path, or make the file"),
        (b"", "is empty; write the secret into it"),
        (b"\n \n", "is empty; write the secret into it"),
        (b"hunter2\nhunter3\n", "has more than one line, or an unprintable character"),
        (b"hunter2\xff", "is not UTF-8; name a file of one secret"),
        (b"h" * 100_000, "has more than 65536 bytes; name a file of one secret"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_mistake_of_the_line_that_names_it(
    content: bytes | None, text: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "pg").write_bytes(content)
    path = env_file(tmp_path, f"# first\n POSTGRES_PASSWORD_FILE={tmp_path / 'pg'}\n")
    assert lines_of(path, CONFIG) == [
        f".env:2:2: POSTGRES_PASSWORD_FILE: 'pg' {text}".replace("'pg'", f"'{tmp_path}/pg'").replace(f"{tmp_path}/", "")
    ]


def test_the_content_of_a_file_is_never_shown(tmp_path: Path, secret: str) -> None:
    lines = lines_of(tmp_path / "none", {**CONFIG, "MAX_WORKERS_FILE": secret, "WATCHER_LOG_FORMAT_FILE": secret})
    assert len(lines) == 2
    assert "MAX_WORKERS_FILE: what is in " in "".join(lines)
    assert "hunter" not in "".join(lines)


def test_a_path_that_nothing_can_take_is_a_mistake(tmp_path: Path) -> None:
    lines = lines_of(tmp_path / "none", {**CONFIG, "POSTGRES_PASSWORD_FILE": "a\0b"})
    assert lines == ["environment: POSTGRES_PASSWORD_FILE: has a NUL, or a byte that is not UTF-8; write plain text"]


def test_a_near_miss_is_hinted_at(tmp_path: Path) -> None:
    [line] = lines_of(env_file(tmp_path, "POSTGRES_PASWORD_FILE=x\n"), CONFIG)
    assert line.endswith("did you mean POSTGRES_PASSWORD_FILE?")


GOOD = "urls: [{address: 'https://${SHOP_HOST}/', authorization: {credentials: '${SHOP_TOKEN}'}}]\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    """The path of a config file with variables."""
    (tmp_path / "config.yaml").write_text(GOOD, encoding="utf-8")
    return str(tmp_path / "config.yaml")


def test_a_key_that_a_config_file_reads_is_not_a_mistake(tmp_path: Path, config: str) -> None:
    path = env_file(tmp_path, f"CONFIG_FILE_PATH={config}\nSHOP_HOST=shop.example\nSHOP_TOKEN=hunter2\n")
    [target] = load_configuration(path, {"SHOP_HOST": "real.example"}).targets
    assert target.address == "https://real.example/"
    assert target.sending.authorization == "Bearer hunter2"
    assert isinstance(load_settings(path, {}), Settings)  # for the commands that do not read a config file


def test_a_key_that_nothing_reads_is_still_one(tmp_path: Path, config: str) -> None:
    path = env_file(tmp_path, f"CONFIG_FILE_PATH={config}\nSHOP_HOST=x\nSHOP_TOKN=hunter2\nOTHER=1\n")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path, {"SHOP_TOKEN": "x"})
    assert [str(mistake).removeprefix(str(tmp_path)) for mistake in caught.value.mistakes] == [
        "/.env:3:1: SHOP_TOKN: unknown key, nothing reads it; did you mean SHOP_TOKEN?",
        "/.env:4:1: OTHER: unknown key, nothing reads it",
    ]


def test_a_file_of_a_variable_is_named_in_the_config_file(tmp_path: Path, config: str) -> None:
    path = env_file(tmp_path, f"CONFIG_FILE_PATH={config}\nSHOP_HOST=x\nSHOP_TOKEN_FILE=token\n")
    _, [mistake] = read_settings(path, {"SHOP_TOKEN": "x"})
    assert str(mistake).removeprefix(str(tmp_path)) == (
        "/.env:3:1: SHOP_TOKEN_FILE: unknown key, nothing reads it: only settings can come from a file;"
        " set SHOP_TOKEN itself, or name the file in the config file, as in password_file or credentials_file"
    )


def test_an_empty_variable_gives_way_to_the_file(tmp_path: Path, config: str) -> None:
    path = env_file(tmp_path, f"CONFIG_FILE_PATH={config}\nSHOP_HOST=shop.example\nSHOP_TOKEN=x\n")
    [target] = load_configuration(path, {"SHOP_HOST": ""}).targets
    assert target.address == "https://shop.example/"


def test_a_known_key_may_be_put_in_in_either_form(tmp_path: Path, secret: str) -> None:
    (tmp_path / "c.yaml").write_text("urls: [{address: 'http://x/', body: '${POSTGRES_PASSWORD}'}]", encoding="utf-8")
    variables = {"CONFIG_FILE_PATH": str(tmp_path / "c.yaml"), "POSTGRES_PASSWORD_FILE": secret}
    [target] = load_configuration(tmp_path / "none", variables).targets
    assert target.sending.body == b"hunter2"


def test_all_files_are_named(tmp_path: Path, secret: str) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "token").write_text("t", encoding="utf-8")
    text = (
        "defaults: {authorization: {credentials_file: token}}\nurls: [{address: 'http://x/'}, {address: 'http://y/'}]\n"
    )
    (tmp_path / "c" / "a.yaml").write_text(text, encoding="utf-8")
    path = env_file(tmp_path, f"CONFIG_FILE_PATH={tmp_path / 'c'}\nPOSTGRES_PASSWORD_FILE={secret}\n")
    assert load_configuration(path, {}).files == (
        path,
        Path(secret),
        tmp_path / "c",
        tmp_path / "c" / "a.yaml",
        tmp_path / "c" / "token",
    )
