"""The layers of the program: imports run one way only, and the libraries of the edges stay at the edges."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

WATCHER = Path(__file__).resolve().parents[2] / "watcher"
MODULES = sorted(path.relative_to(WATCHER).as_posix() for path in WATCHER.rglob("*.py"))
MAX_LINES = 400
MAX_FILES = 15

CONFIG = {
    "config/mistakes",
    "config/schema",
    "config/secret_files",
    "config/yaml",
    "config/env",
    "config/sources",
    "config/targets/address",
    "config/targets/headers",
    "config/alerts",
    "config/targets",
    "config",
}
CHECKING = {"checking/http", "checking/verdict", "checking/scheduling", "checking"}
CLUSTER = {"cluster/values", "cluster/assignment", "cluster/fingerprint", "cluster/lease", "cluster/protocol"}
POSTGRES = {
    *("postgres/errors", "postgres/servers", "postgres/connections", "postgres/bridge", "postgres/schema"),
    *("postgres/tables", "postgres"),
}

# The layers, the lowest first: each room with those that it may import, all of which are above it in this list,
# so that there cannot be a cycle. A room is a folder with its own files, or one file of a folder.
MAY_IMPORT: dict[str, set[str]] = {
    "text": set(),
    "model/alerts": {"text"},
    "model": {"text", "model/alerts"},
    "secrets": {"text", "model", "model/alerts"},
    "history": {"text", "model"},
    "log": {"text", "model", "secrets"},
    "alerting/policy/windows": {"model/alerts"},
    "config/mistakes": {"text"},
    "config/schema": {"text", "model", "model/alerts", "config/mistakes"},
    "config/secret_files": {"model", "config/mistakes", "config/schema"},
    "config/yaml": {"text", "config/mistakes", "config/schema"},
    "config/env": {"text", "model", "config/mistakes", "config/schema", "config/secret_files", "config/yaml"},
    "config/sources": {"config/mistakes", "config/secret_files", "config/yaml"},
    "config/targets/address": {"text"},
    "config/targets/headers": {"config/mistakes"},
    "config/alerts": {"text", "model", "model/alerts", "alerting/policy/windows", *CONFIG}
    - {"config", "config/targets"},
    "config/targets": {"text", "model", "model/alerts", *CONFIG} - {"config"},
    "config": {"text", "model", "model/alerts", "alerting/policy/windows", *CONFIG},
    "checking/http/content_codings": set(),
    "checking/http/repair": set(),
    "checking/http": {"text", "model", "checking/http/content_codings", "checking/http/repair"},
    "checking/verdict": {"text", "model", "secrets", "checking/http"},
    "checking/scheduling": {"model"},
    "checking": {"model", *CHECKING},
    "alerting/channels/templates": {"text"},
    "alerting/channels/helper_command": set(),
    "alerting/channels/apprise_urls": {
        *("model/alerts", "secrets", "alerting/channels/helper_command"),
    },
    "recording": {"text", "model", "history"},
    "alerting/policy/records": {"model", "model/alerts", "history"},
    "alerting/policy": {
        *("text", "model", "model/alerts", "history"),
        *("alerting/policy/windows", "alerting/policy/records"),
    },
    "alerting/replay": {"model", "model/alerts", "alerting/policy", "alerting/policy/windows"},
    "outbox": {"text", "model", "model/alerts", "history", "alerting/policy", "alerting/policy/records"},
    "outbox/places": {"model", "model/alerts", "alerting/policy", "alerting/policy/records", "outbox"},
    "cluster/values": {"text", "model"},
    "cluster/assignment": {"text", "model"},
    "cluster/lease": {"text", "model"},
    "cluster/fingerprint": {"text", "model", "model/alerts"},
    "cluster/protocol": {"text", "model", "cluster/values", "cluster/assignment", "cluster/fingerprint"},
    "embedded_postgres": {"model"},
    "postgres/errors": set(),
    "postgres/python314": set(),
    "postgres/callbacks_at_once": set(),
    "postgres/servers": set(),
    "postgres/connections": {"model", "postgres/errors", "postgres/servers"},
    "postgres/bridge": {
        "postgres/errors",
        "postgres/python314",
        "postgres/callbacks_at_once",
        "postgres/servers",
        "postgres/connections",
    },
    "postgres/schema": {"postgres/errors", "postgres/bridge"},
    "postgres/tables": {"model", "postgres/bridge", *CLUSTER},
    "postgres": {"text", "model", "outbox", "embedded_postgres", *CLUSTER, *POSTGRES},
    "alerting/silences": {"text", "model", "model/alerts", "alerting/policy", "outbox", "postgres/errors"},
    "postgres/queries": {
        *("model", "model/alerts", "history", "outbox", "alerting/policy", "alerting/silences", *CLUSTER, *POSTGRES),
    },
    "cluster": {"text", "model", "model/alerts", "history", *CLUSTER, *POSTGRES, "postgres/queries"},
    "postgres/upkeep": {"model", *POSTGRES, "postgres/queries"},
    "reporting": {"text", "model", "history", "cluster/values", "postgres", "postgres/errors", "postgres/queries"},
    "web/serving": {"config/env"},
    "web/access": {"text", "config/env"},
    "web/present": {"model", "recording", "postgres", "alerting/silences"},
    "web/public_names": {"model"},
    "web/metrics": {"model", "recording", "web/serving", "web/present", "web/public_names"},
    "web/sites": {"text", "model", "web/public_names"},
    "web/standings": {"model", "recording", "web/sites"},
    "web/silencing": {"model/alerts", "outbox", "alerting/silences", "web/sites"},
    "web/pages": {
        *("text", "model", "model/alerts", "history", "recording", "outbox", "postgres", "postgres/errors"),
        *("alerting/silences", "reporting", "web/serving", "web/sites", "web/standings", "web/silencing"),
    },
    "web/api": {
        *("text", "model", "model/alerts", "history", "recording", "outbox", "postgres", "postgres/errors"),
        *("alerting/silences", "reporting", "web/serving", "web/sites", "web/standings", "web/pages"),
    },
    "web": {
        *("config/env", "web/serving", "web/access", "web/present", "web/metrics", "web/silencing"),
        *("web/pages", "web/api", "web/standings"),
    },
    "alerting/channels": {
        *("text", "model", "model/alerts", "secrets", "checking/http", "alerting/policy"),
        *("alerting/channels/templates", "alerting/channels/helper_command"),
        "alerting/channels/apprise_urls",
    },
    "alerting": {
        *("model", "model/alerts", "checking/scheduling", "outbox", "outbox/places", "postgres/errors"),
        *("alerting/policy", "alerting/channels"),
    },
    "alerting/conditions": {
        *("text", "model", "model/alerts", "recording", "outbox", "alerting/policy", "alerting/policy/windows"),
        *("checking", "checking/http", "checking/scheduling"),
    },
    "daemon/changes": {"model", "model/alerts", "config/env"},
    "daemon/sharing": {
        *("model", "checking", "checking/scheduling", "recording", "outbox", "cluster", "daemon/changes"),
        *("config", "config/env", *CLUSTER, *POSTGRES, "postgres/queries", "alerting/policy"),
    },
    "daemon/places": {
        *("model", "model/alerts", "recording", "outbox", "outbox/places", "cluster", "daemon/sharing"),
        *("config/env", *CLUSTER, *POSTGRES, "postgres/queries"),
    },
    "daemon": {
        *("daemon/changes", "daemon/sharing", "daemon/places", "cluster", *CLUSTER),
        "model",
        "model/alerts",
        "alerting",
        "alerting/policy",
        "alerting/channels",
        "alerting/silences",
        "alerting/conditions",
        "postgres/queries",
        "log",
        "recording",
        "outbox",
        "outbox/places",
        "embedded_postgres",
        "postgres/upkeep",
        "web",
        "web/present",
        "web/sites",
        *CONFIG,
        *CHECKING,
        *POSTGRES,
    },
    "cli/common": {"text", "log", "config/mistakes", "daemon", "embedded_postgres", "postgres/errors"},
    "cli/options": {"text", "cli/common", "postgres"},
    "cli/target_names": {"cli/common", "config", "config/env", "config/mistakes"},
    "cli/orders": {
        *("model/alerts", "postgres/errors", "postgres/queries", "alerting/silences", "cli/common", "cli/options"),
    },
    "cli/views": {
        *("text", "model", "model/alerts", "history", "checking", "checking/http", "checking/verdict", "reporting"),
        "alerting/replay",
    },
    "cli/notify_runner": {"text", "model/alerts", "secrets", "alerting/channels", "cli/common", "cli/views"},
    "cli/two_processes": set(),
    "cli/check_runner": {"model", "checking", "reporting", "cli/common", "cli/views"},
    "cli/dry_run": {
        *("text", "model", "model/alerts", "alerting/replay", "config", "postgres/queries"),
        *("cli/common", "cli/options", "cli/views"),
    },
    "cli/config_view": {"text", "model", "model/alerts", "secrets", "cli/common", *CONFIG},
    "cli/commands": {
        *("text", "model", "history", "log", "secrets", "reporting", "daemon"),
        *(*CONFIG, *CHECKING, *POSTGRES, "postgres/queries"),
        *("model/alerts", "alerting/channels", "alerting/silences"),
        *("cli/common", "cli/options", "cli/target_names", "cli/orders"),
        *("cli/views", "cli/check_runner", "cli/two_processes", "cli/notify_runner", "cli/dry_run", "cli/config_view"),
    },
    "cli": {"text", "log", "config/mistakes", "cli/commands"},
    "__init__": set(),
    "__main__": {"cli"},
}
# Only the name of a type, which is not used at run time.
TYPES_FROM_ASIDE = {
    "postgres": ("watcher.config.env.settings.Settings",),
    "cli/options": ("watcher.config.env.settings.Settings",),
    "cli/dry_run": ("watcher.postgres.db.Database",),
    "cli/orders": ("watcher.config.env.settings.Settings", "watcher.postgres.db.Database"),
}
ONLY_IMPORTERS = {
    "asyncpg": {"postgres/bridge.py", "postgres/connections.py"},
    "trio_asyncio": {"postgres/bridge.py"},
    "httpx": {"checking/http/fetch.py", "checking/http/redirects.py"},
    "httptools": {"checking/http/http1.py"},
    "h2": {"checking/http/http2.py"},
    "hypercorn": {"web/serving/connection.py"},
    "socksio": {"checking/http/proxies.py"},
    "apprise": {"alerting/channels/helper_process.py"},
    "jmespath": {"checking/verdict/json_values.py", "config/targets/read_expectations.py"},
}
PURE = {
    *("text", "model", "model/alerts", "history", "alerting/policy/records", "alerting/policy", "alerting/replay"),
    *CLUSTER,
}
CONCURRENCY = {"trio", "asyncio", "trio_asyncio"}


def imports_in(source: str) -> Iterator[tuple[str, bool]]:
    """Yield every imported name, with whether the import is for type checking only."""
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


def room_of(path: str) -> str:
    """Name the room of a file, or of a name in it, by its path under watcher/: the longest that MAY_IMPORT knows."""
    steps = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return next((room for end in range(len(steps), 0, -1) if (room := "/".join(steps[:end])) in MAY_IMPORT), path)


def complaints_about(module: str, source: str) -> list[str]:
    """List the imports of a file, given by its path under watcher/, that run up or are in the wrong place."""
    room = room_of(module)
    complaints = []
    for name, for_types in imports_in(source):
        top, _, rest = name.partition(".")
        if name.startswith("."):
            complaints.append(f"{module} imports {name}: write the whole path")
        elif top == "watcher":
            target = room_of(rest.replace(".", "/"))
            free = target in MAY_IMPORT[room] or target == room or (rest == "__version__" and room not in PURE)
            if not free and not (for_types and name in TYPES_FROM_ASIDE.get(room, ())):
                complaints.append(f"{module} imports {name}")
        else:
            is_in_place = for_types or module in ONLY_IMPORTERS.get(top, {module})
            if not is_in_place or (room in PURE and top in CONCURRENCY):
                complaints.append(f"{module} imports {name}")
    return complaints


def source_of(module: str) -> str:
    return (WATCHER / module).read_text(encoding="utf-8")


def test_no_import_runs_up() -> None:
    assert [complaint for module in MODULES for complaint in complaints_about(module, source_of(module))] == []


def test_the_floors_are_in_their_order() -> None:
    floors = list(MAY_IMPORT)
    upward = [(room, below) for room, all_below in MAY_IMPORT.items() for below in all_below - {room}]
    assert [(room, below) for room, below in upward if floors.index(below) > floors.index(room)] == []


def test_every_room_is_there_and_every_folder_is_a_room() -> None:
    folders = {str(Path(module).parent) for module in MODULES} - {"."}
    assert folders <= set(MAY_IMPORT)
    assert {room_of(module) for module in MODULES} == set(MAY_IMPORT)


def test_no_two_modules_import_each_other() -> None:
    """Also within a room, and also for type checking only."""
    importable = {module.removesuffix(".py").removesuffix("/__init__").replace("/", "."): module for module in MODULES}
    imports: dict[str, set[str]] = {module: set() for module in MODULES}
    for module in MODULES:
        for name, _ in imports_in(source_of(module)):
            _, _, path = name.partition("watcher.")
            origin = importable.get(path) or importable.get(path.rpartition(".")[0])
            if origin not in {None, module}:
                imports[module].add(str(origin))
    # A module that imports no remaining module is removed; the rest is in a cycle, or imports one.
    while free := {module for module, others in imports.items() if not others}:
        imports = {module: others - free for module, others in imports.items() if module not in free}
    assert imports == {}


def test_modules_and_folders_can_be_read_at_once() -> None:
    folders = [str(Path(module).parent) for module in MODULES if Path(module).name != "__init__.py"]
    assert [module for module in MODULES if len(source_of(module).splitlines()) > MAX_LINES] == []
    assert {folder for folder in folders if folders.count(folder) > MAX_FILES} == set()


def test_the_importers_named_here_are_those_that_there_are() -> None:
    importers: dict[str, set[str]] = {library: set() for library in ONLY_IMPORTERS}
    for module in MODULES:
        for name, for_types in imports_in(source_of(module)):
            library = name.partition(".")[0]
            if library in importers and not for_types:
                importers[library].add(module)
    assert importers == ONLY_IMPORTERS


GUARDED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    ("module", "source", "imported"),
    [
        ("model/target.py", "from watcher.config.env.settings import Settings", "watcher.config.env.settings.Settings"),
        ("model/target.py", "from watcher import __version__", "watcher.__version__"),
        ("model/target.py", GUARDED + "from watcher.log import configure", "watcher.log.configure"),
        ("model/target.py", "def late():\n    import trio", "trio"),
        ("history/uptime.py", GUARDED + "import trio.abc", "trio.abc"),
        ("config/yaml/loader.py", "from watcher.config.targets import build", "watcher.config.targets.build"),
        ("config/targets/build.py", "from watcher.config import Configuration", "watcher.config.Configuration"),
        ("checking/http/fetch.py", "from watcher import outbox", "watcher.outbox"),
        ("checking/http/fetch.py", "import watcher.checking.verdict.judge", "watcher.checking.verdict.judge"),
        ("outbox/writer.py", "import watcher.postgres.tables.failures", "watcher.postgres.tables.failures"),
        (
            "postgres/url.py",
            "from watcher.config.env.settings import Settings",
            "watcher.config.env.settings.Settings",
        ),
        ("postgres/url.py", GUARDED + "from watcher.config import Configuration", "watcher.config.Configuration"),
        (
            "postgres/url.py",
            "try:\n    from trio_asyncio import open_loop\nfinally:\n    pass",
            "trio_asyncio.open_loop",
        ),
        ("daemon/run.py", "from watcher.cli import main", "watcher.cli.main"),
        ("cli/commands/run.py", "from . import common", "..common: write the whole path"),
        ("cli/commands/run.py", "import httpx", "httpx"),
    ],
)
def test_the_reader_of_imports_sees_what_runs_up(module: str, source: str, imported: str) -> None:
    assert complaints_about(module, source) == [f"{module} imports {imported}"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model/outcome.py", "import enum\nfrom watcher.text.escaping import one_line"),
        ("postgres/url.py", GUARDED + "from watcher.config.env.settings import Settings"),
        ("postgres/schema/__init__.py", GUARDED + "import asyncpg"),
        ("postgres/bridge.py", "import asyncpg, trio, trio_asyncio"),
        ("checking/http/fetch.py", "import httpx\nfrom watcher.model.outcome import Fault"),
        ("checking/http/fetch.py", "from watcher import __version__"),
        ("cli/commands/run.py", "from watcher.daemon.run import run_daemon"),
    ],
)
def test_the_reader_of_imports_lets_pass_what_runs_down(module: str, source: str) -> None:
    assert complaints_about(module, source) == []
