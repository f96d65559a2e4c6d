"""What the tests beside foreign programs share."""

from __future__ import annotations

# Fixtures that other suites have, too.
from tests.hostile.conftest import certificates
from tests.integration.conftest import folder, proxy

__all__ = ["certificates", "folder", "proxy"]
