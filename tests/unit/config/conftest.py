"""Settings for the tests of config files."""

from pathlib import Path

import pytest

from watcher.config.env.settings import Settings, load_settings


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The defaults: intervals from 2 to 10 seconds."""
    return load_settings(Path("no such file"), {"CONFIG_FILE_PATH": "config.yaml"})
