"""Debian's blackbox_exporter, with the same targets as the checks."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from tests.peers.programs import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.hostile.case import Case

PROGRAM = "prometheus-blackbox-exporter"
START_SECONDS = 60
# Longer than any deadline of a case.
ANSWER_SECONDS = 12
_LISTENING = re.compile(r'msg="Listening on" address=(\S+)')


@dataclass(frozen=True)
class Verdict:
    """The result: success, and the status code of the last response if there was one."""

    ok: bool
    status_code: int | None


class Blackbox:
    """A running blackbox_exporter."""

    def __init__(self, url: str) -> None:
        """Remember its address."""
        self._url = url

    async def probe(self, case: Case, address: str) -> Verdict:
        """Probe an address as a case says."""
        # It speaks plain HTTP; loading authorities for it would take longer than all the rest.
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False, verify=False) as client:
            try:
                response = await client.get(f"{self._url}/probe", params={"target": address, "module": case.name})
            except httpx.ReadTimeout:
                return Verdict(False, None)  # where it gets a connection handed over, it waits for its end for ever
        response.raise_for_status()
        metrics = dict(line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#"))
        status_code = int(float(metrics.get("probe_http_status_code", "0")))
        return Verdict(metrics["probe_success"] == "1", status_code or None)


@contextmanager
def running_blackbox(cases: Sequence[Case], ca_file: str, folder: Path) -> Iterator[Blackbox]:
    """Run blackbox_exporter with a module for each case; its log is in the folder."""
    config, log = folder / "blackbox.yml", folder / "blackbox.log"
    config.write_text(yaml.safe_dump({"modules": {case.name: _module(case, ca_file) for case in cases}}))
    command = [path_of(PROGRAM, PROGRAM), f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            yield Blackbox(f"http://{_address_of(process, log)}")
        finally:
            process.kill()


def _module(case: Case, ca_file: str) -> dict[str, Any]:
    sending, tls = case.sending, case.connecting.tls
    tls_config: dict[str, Any] = {"ca_file": ca_file, "insecure_skip_verify": tls.insecure_skip_verify}
    if tls.server_name is not None:
        tls_config["server_name"] = tls.server_name
    if tls.min_version is not None:
        tls_config["min_version"] = tls.min_version
    http: dict[str, Any] = {
        "method": sending.method,
        "body": sending.body.decode(),
        "follow_redirects": sending.follow_redirects,
        "fail_if_ssl": False,
        "preferred_ip_protocol": "ip4",
        "ip_protocol_fallback": True,
        "body_size_limit": "1MiB",
        "tls_config": tls_config,
        "fail_if_body_not_matches_regexp": [] if case.body_matches is None else [case.body_matches.decode()],
    }
    if case.compression:
        http["compression"] = case.compression
    return {"prober": "http", "timeout": f"{case.timeout_seconds}s", "http": http}


def _address_of(process: subprocess.Popen[bytes], log: Path) -> str:
    last = time.monotonic() + START_SECONDS
    while (listening := _LISTENING.search(log.read_text())) is None:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < last, log.read_text()
        time.sleep(0.05)
    return listening[1]
