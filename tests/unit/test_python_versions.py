"""The supported Pythons are the same in every file, and another one is refused in one sentence."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
AS_ANOTHER_PYTHON = "import runpy, sys; sys.version_info = {}; runpy.run_module('watcher', run_name='__main__')"


@pytest.mark.parametrize("version", [(3, 10, 19), (3, 15, 0)])
def test_another_python_is_refused_in_one_sentence(version: tuple[int, int, int]) -> None:
    command = [sys.executable, "-c", AS_ANOTHER_PYTHON.format(version)]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert result.stderr == f"watcher: Python 3.11 to 3.14 is required; this is Python 3.{version[1]}\n"


def test_setup_and_first_page_tell_the_same_pythons() -> None:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg", encoding="utf-8")
    assert setup["options"]["python_requires"] == ">=3.11,<3.15"
    versions = re.findall(r"Python :: (3\.\d+)$", setup["metadata"]["classifiers"], re.MULTILINE)
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert "Python 3.11 to 3.14" in (PROJECT / "README.md").read_text(encoding="utf-8")
