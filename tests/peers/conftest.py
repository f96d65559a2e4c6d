"""Fixtures of the tests with foreign programs."""

from __future__ import annotations

# Fixtures of other suites as well.
from tests.hostile.conftest import certificates
from tests.integration.conftest import folder, proxy

__all__ = ["certificates", "folder", "proxy"]
