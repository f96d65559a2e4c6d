"""Fixtures of the tests of bad servers."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tests.hostile.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The authority of the tests."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """Assert that nothing is left open."""
    gc.disable()
    yield
    gc.enable()
