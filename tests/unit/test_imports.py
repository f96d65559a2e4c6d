"""The rooms of the house: imports run one way only, and the libraries of the edges stay at the edges."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

WATCHER = Path(__file__).resolve().parents[2] / "watcher"
MODULES = sorted(str(path.relative_to(WATCHER)) for path in WATCHER.rglob("*.py"))
MAX_LINES = 250

# Each room with those that it may import; a new room must be given its place here.
ROOMS_BELOW: dict[str, frozenset[str]] = {
    "model": frozenset(),
    "config": frozenset({"model"}),
    "checking": frozenset({"model"}),
    "recording": frozenset({"model"}),
    "storage": frozenset({"model"}),
    "log": frozenset({"model"}),
    "garbage": frozenset(),
    "heartbeat": frozenset(),
    "changes": frozenset(),
    "notify": frozenset(),
    "books": frozenset({"model", "checking", "recording", "storage"}),
    "watching": frozenset({"model", "checking", "recording", "storage", "books"}),
    "reloading": frozenset({"model", "config", "garbage"}),
    "app": frozenset(
        {
            "model",
            "config",
            "checking",
            "recording",
            "storage",
            "log",
            "garbage",
            "heartbeat",
            "watching",
            "reloading",
            "changes",
            "notify",
        }
    ),
    "cli": frozenset({"model", "config", "checking", "recording", "storage", "log", "garbage", "app"}),
    "__main__": frozenset({"cli"}),
    "__init__": frozenset(),
}
# Only the name of a type, which nothing is asked of at run time.
TYPES_FROM_ABOVE = {
    "storage": ("watcher.config.settings.Settings",),
    "watching": ("watcher.reloading.Reloader",),
}
ONLY_IMPORTERS = {
    "asyncpg": {"storage/bridge.py"},
    "trio_asyncio": {"storage/bridge.py"},
    "httpx": {"checking/fetch.py", "checking/redirects.py", "checking/transport.py"},
    "httptools": {"checking/http1.py"},
    "h2": {"checking/http2.py"},
    "socksio": {"checking/proxies.py"},
    "jmespath": {"checking/json_values.py", "config/expectations.py"},
}
CONCURRENCY = {"trio", "asyncio", "trio_asyncio"}


def imports_in(source: str) -> Iterator[tuple[str, bool]]:
    """Yield every name that is imported, wherever it stands, with whether that is for the type checker only."""
    tree = ast.parse(source)
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            yield from ((f"{origin}.{alias.name}", id(node) in for_types) for alias in node.names)


def room_of(module: str) -> str:
    """Name the room of a file, by its path under watcher/."""
    return module.split("/")[0].removesuffix(".py")


def complaints_about(module: str, source: str) -> list[str]:
    """List the imports of a file, given by its path under watcher/, that run up or stand in the wrong place."""
    room = room_of(module)
    complaints = []
    for name, for_types in imports_in(source):
        top, _, rest = name.partition(".")
        if name.startswith("."):
            complaints.append(f"{name}: write the whole path")
        elif top == "watcher":
            target = rest.partition(".")[0]
            free = target == room or target in ROOMS_BELOW[room] or (target == "__version__" and room != "model")
            if not free and not (for_types and name in TYPES_FROM_ABOVE.get(room, ())):
                complaints.append(f"{room} imports {name}")
        elif not for_types and module not in ONLY_IMPORTERS.get(top, {module}):
            complaints.append(f"{module} imports {name}")
        elif room == "model" and top in CONCURRENCY:
            complaints.append(f"model imports {name}")
    return complaints


def test_every_room_has_its_place() -> None:
    assert {room_of(module) for module in MODULES} == set(ROOMS_BELOW)


@pytest.mark.parametrize("module", MODULES)
def test_no_import_runs_up(module: str) -> None:
    assert complaints_about(module, (WATCHER / module).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_can_be_read_at_once(module: str) -> None:
    assert len((WATCHER / module).read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("library", ONLY_IMPORTERS)
def test_the_importers_named_here_are_those_that_there_are(library: str) -> None:
    importers = {
        module
        for module in MODULES
        for name, for_types in imports_in((WATCHER / module).read_text(encoding="utf-8"))
        if name.partition(".")[0] == library and not for_types
    }
    assert importers == ONLY_IMPORTERS[library]


GUARDED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("model/target.py", "from watcher.config.settings import Settings", "model imports watcher.config"),
        ("model/target.py", "from watcher import __version__", "model imports watcher.__version__"),
        ("model/target.py", GUARDED + "from watcher.log import configure", "model imports watcher.log"),
        ("model/target.py", "def late():\n    import trio", "model imports trio"),
        ("model/target.py", GUARDED + "import trio.abc", "model imports trio.abc"),
        ("model/target.py", "import asyncio", "model imports asyncio"),
        ("config/targets.py", "import watcher.checking.fetch", "config imports watcher.checking"),
        ("checking/fetch.py", "from watcher import storage", "checking imports watcher.storage"),
        ("checking/fetch.py", GUARDED + "from watcher.config.settings import Settings", "checking imports"),
        ("recording/lines.py", "from watcher.checking.fetch import Exchange", "recording imports watcher.checking"),
        ("storage/url.py", "from watcher.config.settings import Settings", "storage imports watcher.config"),
        ("storage/url.py", GUARDED + "from watcher.config.targets import load_targets", "storage imports watcher"),
        ("storage/url.py", "import asyncpg", "storage/url.py imports asyncpg"),
        (
            "storage/url.py",
            "try:\n    from trio_asyncio import open_loop\nfinally:\n    pass",
            "storage/url.py imports",
        ),
        ("app.py", "from httpx import AsyncClient", "app.py imports httpx"),
        ("app.py", "from watcher.cli import main", "app imports watcher.cli"),
        ("log.py", "from watcher.app import run_daemon", "log imports watcher.app"),
        ("cli/run.py", "from . import common", "..common: write the whole path"),
        ("cli/run.py", "from watcher.cli.common import env_path\nimport httpx", "cli/run.py imports httpx"),
    ],
)
def test_the_reader_of_imports_sees_what_runs_up(module: str, source: str, complaint: str) -> None:
    [found] = complaints_about(module, source)
    assert found.startswith(complaint)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model/outcome.py", "import enum\nfrom watcher.model.text import one_line"),
        ("storage/url.py", GUARDED + "from watcher.config.settings import Settings"),
        ("storage/schema/__init__.py", GUARDED + "import asyncpg"),
        ("storage/bridge.py", "import asyncpg, trio, trio_asyncio"),
        ("checking/fetch.py", "import httpx\nfrom watcher.model.outcome import Fault"),
        ("checking/fetch.py", "from watcher import __version__"),
        ("cli/run.py", "from watcher.app import run_daemon"),
    ],
)
def test_the_reader_of_imports_lets_pass_what_runs_down(module: str, source: str) -> None:
    assert complaints_about(module, source) == []
