"""The daemon's API as programs see it: its document, and cursors that stay valid."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import trio

from tests.integration.daemon import Folder
from tests.integration.history_rows import HOUR, put_alive, put_failures, put_flips, put_rollup, put_state, settings_of
from tests.integration.test_page import TOKEN, port_of
from tests.unit.web.viewers import asked, get

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.postgres.db import Database

NAMES = ("Checkout", "Search <b>")
KEYS = ["shop_checkout", "shop_search-<b>", "nobody"]
EXAMPLES = 5
# On a busy machine, the history may come too late, which is a valid answer.
CHECKS = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", "503"]\n'


async def put_history(database: Database) -> None:
    """Insert a year in which the first of two sites was down twice."""
    now = datetime.now(UTC).replace(microsecond=0)
    for name in NAMES:
        await put_state(database, name)
        await put_flips(database, name, "U", now - timedelta(days=400))
        await put_rollup(database, name, now - timedelta(minutes=30), {"up": 3}, each_ms=120.0)
    await put_flips(database, NAMES[0], "DUDU", now - 5 * HOUR, step=HOUR)
    await put_failures(database, NAMES[0], 40, now - 2 * HOUR)
    await put_alive(database, now)


def a_url(name: str) -> dict[str, object]:
    """Configure a target whose port is closed."""
    return {"name": name, "group": "shop", "address": "http://127.0.0.1:1/", "interval": 60}


async def told(port: int, path: str) -> Any:
    """Send a request as a user who may see everything."""
    answer = await asked(port, get(path, f"Authorization: Bearer {TOKEN}"))
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def document_of(port: int) -> dict[str, Any]:
    """Return the document with existing names and keys, and a cursor of each list, none of which can be guessed."""
    document: dict[str, Any] = await told(port, "/api/openapi.json")
    operations = [(path, one) for path, methods in document["paths"].items() for one in methods.values()]
    for path, operation in operations:
        for parameter in operation["parameters"]:
            if (parameter["name"], parameter["in"]) == ("key", "path"):
                parameter["schema"]["enum"] = KEYS
            elif parameter["name"] == "key":
                parameter["schema"]["enum"] = KEYS[:-1]
            elif parameter["name"] == "cursor":
                parameter["schema"]["enum"] = [(await told(port, f"{path}?limit=1"))["next"]]
    soon = (datetime.now(UTC) + HOUR).isoformat()
    known = {"targets": {"const": [NAMES[0]]}, "group": {"const": "shop"}, "until": {"const": soon}}
    body = document["paths"]["/api/v1/silences"]["post"]["requestBody"]["content"]["application/json"]
    for choice in body["schema"]["anyOf"]:
        choice["properties"] |= {name: known[name] for name in known.keys() & choice["properties"].keys()}
    return document


async def test_the_api_does_what_its_document_says(test_db: Database, db_config: str, tmp_path: Path) -> None:
    await put_history(test_db)
    folder = Folder(tmp_path)
    settings = {"WATCHER_HTTP": "127.0.0.1:0", "WATCHER_HTTP_TOKEN": TOKEN}
    folder.configure([a_url(name) for name in NAMES], **settings_of(db_config), **settings)
    async with folder.daemon() as daemon:
        port = await port_of(daemon)
        await daemon.until(lambda: len(daemon.lines("failure")) >= len(NAMES))
        (tmp_path / "schemathesis.toml").write_text(CHECKS)
        (tmp_path / "document.json").write_text(json.dumps(await document_of(port)))
        done = await trio.run_process(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", "document.json"),
                *("--url", f"http://127.0.0.1:{port}", "--header", f"Authorization: Bearer {TOKEN}"),
                *("--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1"),
                *("--generation-database", "none", "--checks", "all", "--no-color"),
            ],
            cwd=tmp_path,
            check=False,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout.decode()
        assert (await told(port, "/api/v1/silences"))["silences"], "what is right is done"
        assert (await daemon.stop())[0] == 0
        assert daemon.lines("Traceback") == []
        assert daemon.lines("failed inside watcher") == []
