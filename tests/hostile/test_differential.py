"""The same success and the same status as blackbox_exporter's, but for the differences that are named here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.hostile.all_cases import BY_NAME, CASES
from tests.hostile.blackbox import Blackbox, Verdict, running_blackbox
from tests.hostile.harness import TRIES, checked, opened_checker, serving_case, target_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.case import Case
    from tests.hostile.certificates import Certificates

# At a time: most only wait.
PROBES = 8

_LIMIT = "Go takes 10 MB of headers; the bound here is on all that is no body"
_VERSION = "Go takes any version that has two digits and a dot"
_LENIENT = "Go 1.19 takes characters in a header that RFC 9110, section 5.5, and RFC 9112, section 5.1, forbid"
_IDENTITY = "Go knows no transfer coding `identity`; browsers and curl pass over it"
_EMPTY_LINE = "Go and curl want the status line first; browsers pass over an empty line"
_CODING = "blackbox_exporter looks at no encoding unless it is told to undo one, and matches what came"

DIFFERENCES = {
    "private address that is not allowed": "blackbox_exporter connects to any address",
    "100,000 headers": _LIMIT,
    "200 KB of a header": _LIMIT,
    "HTTP/3.0": _VERSION,
    "HTTP/2.0 in text": _VERSION,
    "NUL in a header": _LENIENT,
    "NUL in the name of a header": _LENIENT,
    "CR in a header": _LENIENT,
    "space before the first header": "RFC 9112, section 2.2, allows to pass over such a line; Go refuses the response",
    "a list of the same length": "Go takes no list, which RFC 9110, section 8.6, allows; browsers and curl do",
    "length and identity": _IDENTITY,
    "identity until the end": _IDENTITY,
    "chunk with a space before its extension": "RFC 9112, section 7.1.1, has it taken, as browsers and curl do",
    "chunks whose lines end in LF alone": "Go takes such lines in a head only; browsers and curl do here too",
    "an empty line before the response": _EMPTY_LINE,
    "an empty line before the response, in a packet of its own": _EMPTY_LINE,
    "br that nobody asked for": _CODING,
    "an encoding nobody knows, and something to look for": _CODING,
    "gzip and something behind it": "Go's gzip wants another member there; browsers and curl leave it alone",
    "gzip of nothing at all": "Go's gzip wants a header even where there is no body",
    "deflate in zlib": "blackbox_exporter takes deflate without zlib only, against RFC 9110, section 8.4.1.2",
    "charset utf-16": "blackbox_exporter matches bytes, whatever their charset",
    "redirect with a body that does not come": "Go reads 2 KB of a redirect's body before it follows",
    "RSA key of 1024 bits": "Go 1.19 takes weak keys; OpenSSL's security level 2 does not",
    "HTTP/2 and a frame that is too large": "Go reads frames of up to 16 MB, although it has announced 16 KB",
    "HTTP/2 and a header of connections": "Go leaves out what RFC 9113, section 8.2.2, calls malformed",
}


async def _verdicts(blackbox: Blackbox, certificates: Certificates) -> dict[str, tuple[Verdict, Verdict]]:
    verdicts = {}
    slots = trio.CapacityLimiter(PROBES)
    async with opened_checker() as context, trio.open_nursery() as nursery:

        async def compare(case: Case) -> None:
            async with slots, serving_case(case, certificates) as port:
                target = target_of(case, port, certificates.ca_file)
                for _ in range(TRIES):  # of what is slow, either may see the end when the machine is busy
                    outcome = await checked(target, context)
                    ours = Verdict(outcome.ok, outcome.status_code)
                    verdicts[case.name] = ours, await blackbox.probe(case, target.address)
                    if _differ(*verdicts[case.name]) == (case.name in DIFFERENCES):
                        break

        for case in CASES:
            nursery.start_soon(compare, case)
    return verdicts


@pytest.fixture(scope="module")
def verdicts(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Verdict, Verdict]]:
    """What the checks and blackbox_exporter say of each case."""
    folder: Path = tmp_path_factory.mktemp("blackbox")
    with running_blackbox(CASES, certificates.ca_file, folder) as blackbox:
        return trio.run(_verdicts, blackbox, certificates)


def _differ(ours: Verdict, theirs: Verdict) -> bool:
    both_answered = ours.status_code is not None and theirs.status_code is not None
    return ours.ok != theirs.ok or (both_answered and ours.status_code != theirs.status_code)


def test_every_difference_is_of_a_case() -> None:
    assert DIFFERENCES.keys() <= BY_NAME.keys()


@pytest.mark.parametrize("name", BY_NAME, ids=lambda name: name.replace(" ", "-"))
def test_blackbox_exporter_says_the_same(name: str, verdicts: dict[str, tuple[Verdict, Verdict]]) -> None:
    ours, theirs = verdicts[name]
    if name in DIFFERENCES:
        assert _differ(ours, theirs), f"both say {ours}; it is no difference any more: {DIFFERENCES[name]}"
    else:
        assert not _differ(ours, theirs), f"{ours}, and blackbox_exporter: {theirs}"
