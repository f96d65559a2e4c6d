"""The name of a replica for people."""

import re
from pathlib import Path

import pytest

from watcher.cluster.replica_name import kept_name


def test_it_is_made_once_of_the_host_and_four_digits(tmp_path: Path) -> None:
    name = kept_name(tmp_path, "web-1")
    assert re.fullmatch(r"web-1-[0-9a-f]{4}", name)
    assert kept_name(tmp_path, "another") == name
    assert (tmp_path / "replica").read_text() == f"{name}\n"


@pytest.mark.parametrize("kept", ["", " \n", "a\x1bb", "two\nlines", "x" * 1000, "\ufffd\x00"])
def test_an_invalid_stored_name_is_replaced(kept: str, tmp_path: Path) -> None:
    (tmp_path / "replica").write_text(kept)
    assert kept_name(tmp_path, "web-1").startswith("web-1-")


def test_a_host_with_a_long_name_gets_a_name_that_can_be_shown(tmp_path: Path) -> None:
    assert len(kept_name(tmp_path, "h" * 300)) < 70
