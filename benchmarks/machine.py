"""Describes the machine for readers elsewhere, and chooses its cores."""

from __future__ import annotations

import os
import platform
import re
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
BLACKBOX = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
PACKAGES = ("watcher", "trio", "aiohttp", "asyncpg")


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the measured program, and the core of everything else.

    Attributes:
        program: the number of the measured program's core.
        others: the number of the core of nginx, PostgreSQL, drivers and the benchmark itself.
    """

    program: int
    others: int

    @classmethod
    def of(cls, numbers: set[int]) -> Cores:
        """Choose from the cores that this process may use; with only one, all share it."""
        return cls(program=min(numbers), others=max(numbers))

    @property
    def shared(self) -> bool:
        """Whether there is only one core: figures then include the server's effect on the caches."""
        return self.program == self.others


def describe(cores: Cores) -> dict[str, str]:
    """Return the environment of the figures, in the order of its display."""
    shared = "; ONE CORE ONLY, the program shares it with nginx: do not quote these figures"
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes").replace("+00:00", "Z"),
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "pinning": f"program on core {cores.program}, all else on core {cores.others}{shared if cores.shared else ''}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{package: _package_version(package) for package in PACKAGES},
        "blackbox_exporter": "not installed" if BLACKBOX is None else _version_of(BLACKBOX, "--version"),
        "nginx": _version_of(NGINX, "-v") if Path(NGINX).exists() else "not installed",
        "openssl": ssl.OPENSSL_VERSION,
    }


def version_in(text: str) -> str:
    """Return the first version number in a program's output."""
    found = re.search(r"\d+\.\d+[\w.+~-]*", text)
    return found[0] if found else "unknown"


def _version_of(program: str, option: str) -> str:
    done = subprocess.run([program, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # noqa: S603
    return version_in(done.stdout.decode("utf-8", "replace"))


def _package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
