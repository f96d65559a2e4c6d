"""The helper process: renders templates and calls Apprise services.

Both may take any time and memory, and Apprise imports hundreds of modules: neither happens in the daemon. The process
reads a line of JSON for each job and answers with one, one job after the other. Its standard input closes when the
daemon ends, in whatever way; then the process ends as well.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from watcher.alerting.channels.templates import MAX_TEXT_CHARS, MAX_TITLE_CHARS, TemplateError, rendered
from watcher.model.alerts.notification import is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

# For one process; Apprise needs some 60 MB.
MAX_MEMORY_BYTES = 512 * 1024**2
# Beyond a job's own deadline, when the daemon kills this process; for a daemon that no longer can.
GRACE_SECONDS = 1.0
MAX_WORDS = 3  # of the lines that Apprise logs in one job

# How Apprise quotes answers: `error=401` of HTTP, `(535, b'...')` of SMTP.
_HTTP_STATUS = re.compile(r"\berror\s*=\s*(\d{3})\b")
_SMTP_STATUS = re.compile(r"\((5\d\d), b?['\"]")

_TYPE_OF_KIND = {
    "down": "failure",
    "reminder": "failure",
    "escalation": "failure",
    "up": "success",
    "test": "info",
    "connectivity": "info",
}
# Text that requests and urllib3 put around the system's error.
_OF_SOCKETS = "Socket Exception: "
_WRAPPING = re.compile(
    r"HTTPS?Connection(Pool)?\(host='[^']*', port=\d+\): ?|Max retries exceeded with url: \S+ "
    r"|Failed to establish a new connection: |\(Caused by \w+\([\"']?|[\"']?\)\)$"
)


class _PrivateAddressError(PermissionError):
    """A library tried to connect to a private address."""


class _Blocked:
    """Refuses connections to private addresses while it is on.

    on: whether it refuses.
        addresses: those refused.
        addresses: that it has refused.
    """

    def __init__(self) -> None:
        self.on = False
        self.addresses: list[str] = []
        self._is_private: Callable[[str], bool] = bool

    def begin(self) -> None:
        """Start to refuse."""
        from watcher.checking.http.dial import is_private  # imports much

        self.on, self.addresses, self._is_private = True, [], is_private

    def end(self) -> None:
        """Stop refusing."""
        self.on, self.addresses = False, []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Handle an event of `sys.addaudithook`: every library's connections cause one."""
        if not self.on or event not in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            return
        address = arguments[1]
        host = str(address[0]) if isinstance(address, tuple) and address else str(address)
        try:
            refused = self._is_private(host)
        except ValueError:  # a name, or the path of a socket of this machine
            refused = True
        if refused:
            self.addresses.append(host)
            raise _PrivateAddressError(f"{host} is not a public address, and `allow_private` is false")


class _Words(logging.Handler):
    """Collects what Apprise logs during a job."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.good: list[str] = []
        self.bad: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record if it tells the result of a delivery."""
        text = " ".join(record.getMessage().split())
        if record.levelno >= logging.WARNING or text.startswith(_OF_SOCKETS):
            self.bad.append(_without_wrapping(text))
        elif record.levelno == logging.INFO:
            self.good.append(text)


def main() -> None:
    """Do jobs until the standard input ends."""
    # Output of a plugin must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogatepass")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _limit_memory()
    blocked = _Blocked()
    sys.addaudithook(blocked.hook)
    for line in _lines():
        job = json.loads(line)
        # The system's timer ends the process even when no Python code runs any more.
        signal.setitimer(signal.ITIMER_REAL, float(job["timeout_seconds"]) + GRACE_SECONDS)
        answer = _done(job, blocked)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answers, answer)


def _limit_memory() -> None:
    # An existing lower limit stays; in a sandbox that forbids to set one, only the deadline of a job remains.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def _lines() -> Iterator[str]:
    """Yield the jobs; a thread reads them, so that the end of the input ends the process even during a job."""
    import queue

    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def _write(answers: TextIO, answer: dict[str, Any]) -> None:
    # Not as ASCII: an escaped character may take twelve bytes of the bound of an answer.
    answers.write(json.dumps(answer, ensure_ascii=False) + "\n")
    answers.flush()


def _done(job: dict[str, Any], blocked: _Blocked) -> dict[str, Any]:
    try:
        if job["do"] == "render":
            return _render(job)
        if job["do"] == "check":
            return _check(job)
        if not job["allow_private"]:
            blocked.begin()
        return _send(job, blocked)
    except MemoryError:
        return {"ok": False, "permanent": False, "words": "not enough memory in the helper process"}
    except Exception as error:  # noqa: BLE001  # of any plugin; the daemon logs the answer
        return {"ok": False, "permanent": False, "words": f"{type(error).__name__}: {error}"}
    finally:
        blocked.end()


def _render(job: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"ok": True, "complaints": []}
    for name, limit_chars in (("title", MAX_TITLE_CHARS), ("body", MAX_TEXT_CHARS)):
        if job[name] is None:
            continue
        try:
            answer[name] = rendered(job[name], job["payload"], limit_chars)
        except TemplateError as error:
            answer["complaints"].append(f"{name}: {error}")
    return answer


def _check(job: dict[str, Any]) -> dict[str, Any]:
    words, service = _service_of(job["url"])
    return {"ok": service is not None, "permanent": service is None, "words": _in_words(words.bad)}


def _send(job: dict[str, Any], blocked: _Blocked) -> dict[str, Any]:
    words, service = _service_of(job["url"])
    if service is None:
        said = _in_words(words.bad) or "no Apprise service has an address of this form"
        return {"ok": False, "permanent": True, "words": said}
    ok = _notified(service, job, words)
    if ok:
        return {"ok": True, "permanent": False, "words": _in_words(words.good[-1:])}
    if blocked.addresses:
        said = f"{blocked.addresses[0]} is not a public address, and `allow_private` is false"
        return {"ok": False, "permanent": True, "words": said}
    return {"ok": False, "permanent": is_permanent(words.bad), "words": _in_words(words.bad)}


def _service_of(url: str) -> tuple[_Words, Any]:
    """Return Apprise's log about an address, and its service; None if Apprise rejects the address."""
    import apprise

    words = _listening(apprise)
    asset = apprise.AppriseAsset(
        app_id="watcher",
        app_desc="watcher",
        app_url="",
        image_url_mask="",  # otherwise services load pictures from Apprise's repository
        image_url_logo="",
        http_redirects=False,
        async_mode=False,
        storage_mode="memory",
        service_timeout=0,  # the process is killed at the deadline
    )
    try:
        return words, apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=False)
    except TypeError as error:  # AppriseImproperlyConfigured is one; most plugins log the same as a warning
        words.bad = words.bad or [str(error)]
        return words, None


def _listening(apprise: Any) -> _Words:
    apprise.logger.handlers[:] = [words := _Words()]
    apprise.logger.setLevel(logging.DEBUG)
    apprise.logger.propagate = False
    return words


def _notified(service: Any, job: dict[str, Any], words: _Words) -> bool:
    import apprise

    words.good.clear()
    words.bad.clear()
    query = job["url"].partition("?")[2]
    if "overflow=" not in query:  # cut a text that is too long for a chat instead of refusing it
        service.overflow_mode = apprise.OverflowMode.TRUNCATE
    # A user's template has the format that the address names.
    as_it_is = job["is_template"] and "format=" in query
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    return bool(
        sender.notify(
            title=job["title"],
            body=job["body"] or job["title"],
            notify_type=_TYPE_OF_KIND.get(job["kind"], "warning"),
            body_format=None if as_it_is else apprise.NotifyFormat.TEXT,
        )
    )


def is_permanent(words: list[str]) -> bool:
    """Return whether Apprise's log says that the service has refused the delivery, so that no other try can work."""
    statuses = [int(status) for text in words for status in _HTTP_STATUS.findall(text)]
    if any(_SMTP_STATUS.search(text) for text in words):
        return True
    return bool(statuses) and all(map(is_refusal, statuses))


def _without_wrapping(text: str) -> str:
    return _WRAPPING.sub("", text.removeprefix(_OF_SOCKETS)).rstrip(".")


def _in_words(words: list[str]) -> str:
    return "; ".join(list(dict.fromkeys(words))[:MAX_WORDS])


if __name__ == "__main__":
    main()
