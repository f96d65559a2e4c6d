"""The errors of a bad config file, as a user sees them."""

from collections.abc import Mapping

import pytest

from watcher.config.env.settings import Settings
from watcher.config.mistakes import ConfigurationError
from watcher.config.targets.build import parse_targets


def lines_of(source: str, content: bytes, settings: Settings, variables: Mapping[str, str] | None = None) -> list[str]:
    """Parse a config file with mistakes, and return the error lines without the file's name."""
    with pytest.raises(ConfigurationError) as caught:
        parse_targets(source, content, settings, variables)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.mistakes)
    assert all(line.startswith(f"{source}:") for line in lines)
    return [line.removeprefix(f"{source}:") for line in lines]
