"""Whether stderr is systemd's journal, and the priorities that it gets."""

import os
from pathlib import Path

import pytest

from watcher.log.stderr import is_the_journal, with_priority


def test_a_descriptor_is_the_journal_when_systemd_says_so(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("wb") as journal, (tmp_path / "other").open("wb") as other:
        status = os.fstat(journal.fileno())
        variables = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_the_journal(variables, journal.fileno())
        assert not is_the_journal(variables, other.fileno())
        assert not is_the_journal({}, journal.fileno())
        assert not is_the_journal({"JOURNAL_STREAM": "8"}, journal.fileno())
        closed = other.fileno()
    assert not is_the_journal(variables, closed)


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)]
)
def test_a_line_starts_with_its_priority(level: str, priority: int) -> None:
    assert with_priority(level, "text") == f"<{priority}>text"


def test_an_unknown_level_adds_nothing() -> None:
    assert with_priority("loud", "text") == "text"
