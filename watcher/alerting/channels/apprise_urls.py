"""Checks Apprise addresses when the configuration is read. It blocks: call it in a thread.

Apprise is never imported here: a helper process checks the addresses and ends.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from watcher.alerting.channels.helper_command import COMMAND
from watcher.model.alerts.channel import AppriseReceiver, Channel
from watcher.secrets.of_channels import masked_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

# For one address; most of it is the start of the process. The process ends itself a second later.
TIMEOUT_SECONDS = 10.0


def complaints_about_urls(urls: Sequence[str]) -> list[str | None]:
    """Return for each address why Apprise rejects it; one process checks all of them.

    Args:
        urls: the addresses of services; they contain secrets.

    Returns:
        for each address the error in Apprise's words, without the secrets of the address; None if there is none, or if
        the process does not answer.
    """
    jobs = [json.dumps({"do": "check", "url": url, "timeout_seconds": TIMEOUT_SECONDS}) + "\n" for url in urls]
    with subprocess.Popen(  # noqa: S603  # our own program
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="ascii",
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("".join(jobs))
            process.stdin.flush()
            answers = [process.stdout.readline() for _ in urls]
        except BrokenPipeError:
            answers = [""] * len(urls)
        finally:
            process.kill()
    return [_complaint(url, answer) for url, answer in zip(urls, answers, strict=True)]


def _complaint(url: str, answer: str) -> str | None:
    if not answer.endswith("\n"):
        return None
    document = json.loads(answer)
    if not document["permanent"]:
        return None
    return (
        masked_answer(document["words"], Channel("", AppriseReceiver(url)))
        or "no Apprise service has an address of this form"
    )
