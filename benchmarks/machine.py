"""The machine: its cores, and what it is, for those who read the figures elsewhere."""

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
    """Where things run: the measured program alone on one core, all else on another.

    Attributes:
        program: the number of the core of the measured program.
        others: the number of the core of nginx, PostgreSQL, drivers and the benchmark itself.
    """

    program: int
    others: int

    @classmethod
    def of(cls, numbers: set[int]) -> Cores:
        """Choose from the cores that this process may use; where there is one only, all share it."""
        return cls(program=min(numbers), others=max(numbers))

    @property
    def shared(self) -> bool:
        """Whether there is one core only: figures then have the server's work on the caches in them."""
        return self.program == self.others


def describe(cores: Cores) -> dict[str, str]:
    """Say what the figures were measured with, in the order in which it is shown."""
    shared = "; ONE CORE ONLY, the program shares it with nginx: do not quote these figures"
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes").replace("+00:00", "Z"),
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "pinning": f"program on core {cores.program}, all else on core {cores.others}{shared if cores.shared else ''}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{package: _package_version(package) for package in PACKAGES},
        "blackbox_exporter": "not installed" if BLACKBOX is None else _said_version(BLACKBOX, "--version"),
        "nginx": _said_version(NGINX, "-v") if Path(NGINX).exists() else "not installed",
        "openssl": ssl.OPENSSL_VERSION,
    }


def version_in(text: str) -> str:
    """Find the first version number in what a program says of itself."""
    found = re.search(r"\d+\.\d+[\w.+~-]*", text)
    return found[0] if found else "unknown"


def _said_version(program: str, option: str) -> str:
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
