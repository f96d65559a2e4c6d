"""Several replicas that share targets, with a database of names and owners, on a mock clock."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doubles import a_target
from watcher.daemon.sharing.sharer import FORCE_BEATS, Sharer, Step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from watcher.daemon.changes import Change
    from watcher.daemon.sharing.sharer import Taken
    from watcher.model.target import Target
