"""Both files together: the shipped ones are valid, and one run reports the mistakes of both."""

from contextlib import chdir
from pathlib import Path

import pytest

from watcher.config import load_configuration
from watcher.config.mistakes import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("env_file", [".env", ".env.test"])
def test_the_shipped_files_are_valid_together(env_file: str) -> None:
    with chdir(ROOT):
        configuration = load_configuration(Path(env_file), {})
        settings, targets = configuration.settings, configuration.targets
    assert settings.config_file == Path("config/config.yaml")
    assert settings.postgres_host is None  # `python -m watcher` does not need an existing database
    assert len(targets) >= 3


def test_the_mistakes_of_both_files_are_reported_together(tmp_path: Path) -> None:
    config_file = tmp_path / "config.yaml"
    config_file.write_text("urls:\n  - address: nohost\n  - adress: https://example.com/\n", encoding="utf-8")
    env_file = tmp_path / ".env"
    env_file.write_text(f"MAX_WORKERS=0\nCONFIG_FILE_PATH={config_file}\nMAX_WORKER=1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(env_file, {})
    places = [str(mistake.place).removeprefix(f"{tmp_path}/") for mistake in caught.value.mistakes]
    wheres = [mistake.where for mistake in caught.value.mistakes]
    assert places == [".env:1:1", ".env:3:1", "config.yaml:2:14", "config.yaml:3:5", "config.yaml:3:5"]
    assert wheres == ["MAX_WORKERS", "MAX_WORKER", "urls[0].address", "urls[1].address", "urls[1].adress"]


def test_an_interval_is_judged_by_the_bounds_of_the_environment(tmp_path: Path) -> None:
    config_file = tmp_path / "config.yaml"
    config_file.write_text("urls: [{address: https://example.com/, interval: 60}]\n", encoding="utf-8")
    variables = {"CONFIG_FILE_PATH": str(config_file)}
    with pytest.raises(ConfigurationError, match=r"60 is above MAX_INTERVAL_VAL=10; raise that in .env, or lower this"):
        load_configuration(tmp_path / ".env", variables)
    [target] = load_configuration(tmp_path / ".env", {**variables, "MAX_INTERVAL_VAL": "60"}).targets
    assert target.interval_seconds == 60


def test_a_config_file_that_is_not_there_is_a_mistake_of_the_line_that_names_it(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("\n  CONFIG_FILE_PATH=nope.yaml\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(env_file, {})
    assert str(caught.value) == (
        f"{env_file}:2:3: CONFIG_FILE_PATH: 'nope.yaml' cannot be read: No such file or directory;"
        " correct the path, or make the file"
    )
