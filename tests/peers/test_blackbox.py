"""The same success and the same status as blackbox_exporter's, except for the differences listed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.hostile.all_cases import BY_NAME, CASES
from tests.hostile.case import SUCCESS
from tests.hostile.harness import serving_case
from tests.peers.blackbox import Blackbox, Verdict, running_blackbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.case import Case
    from tests.hostile.certificates import Certificates

# At a time: most only wait, some for seconds.
PROBES = 24

_LIMIT = "Go takes 10 MB of headers; the bound here is on all that is no body"
_VERSION = "Go takes any version that has two digits and a dot"
_LENIENT = "Go 1.19 takes characters in a header that RFC 9110, section 5.5, and RFC 9112, section 5.1, forbid"
_IDENTITY = "Go knows no transfer coding `identity`; browsers and curl pass over it"
_EXTENSION = "RFC 9112, section 7.1.1, has it taken, as browsers and curl do"
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
    "identity behind chunked": _IDENTITY,
    "chunked twice": "Go wants one transfer coding; browsers and curl pass over one that is said again",
    "length with a plus": "Go wants digits alone; curl passes over the plus, and browsers over the length",
    "chunk with a space before its extension": _EXTENSION,
    "odd chunks behind a good one": _EXTENSION,
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
    "redirect with a slash too many": "Go takes the host for a part of the path; browsers do not",
    "redirect with backslashes": "Go refuses them; the URL Standard, and browsers, take them for slashes",
    "TLS 1.3 at least, and 1.2 at most is allowed": "blackbox_exporter is not told the newest version that is allowed",
    "RSA key of 1024 bits": "Go 1.19 takes weak keys; OpenSSL's security level 2 does not",
    "HTTP/2 and a frame that is too large": "Go reads frames of up to 16 MB, although it has announced 16 KB",
    "HTTP/2 and a header of connections": "Go leaves out what RFC 9113, section 8.2.2, calls malformed",
}


def test_blackbox_exporter_agrees_except_for_listed_differences(certificates: Certificates, tmp_path: Path) -> None:
    """The results of checks are those that the cases expect, which the hostile tests assert."""
    assert DIFFERENCES.keys() <= BY_NAME.keys()
    with running_blackbox(CASES, certificates.ca_file, tmp_path) as blackbox:
        theirs = trio.run(_verdicts, blackbox, certificates)
    ours = {case.name: Verdict(case.expected == SUCCESS, case.final_status_codes[-1]) for case in CASES}
    differing = {name for name in BY_NAME if _differ(ours[name], theirs[name])}
    wrong = [f"{name}: {ours[name]}, and {theirs[name]}" for name in sorted(differing - DIFFERENCES.keys())]
    wrong += [f"{name}: no difference any more" for name in sorted(DIFFERENCES.keys() - differing)]
    assert not wrong, "\n".join(wrong)


async def _verdicts(blackbox: Blackbox, certificates: Certificates) -> dict[str, Verdict]:
    verdicts = {}
    slots = trio.CapacityLimiter(PROBES)

    async def probe(case: Case) -> None:
        async with slots, serving_case(case, certificates) as port:
            verdicts[case.name] = await blackbox.probe(case, case.address_on(port))

    # Cases with a time limit come first: among the rest are floods, which leave little processor time.
    for in_time in (True, False):
        async with trio.open_nursery() as nursery:
            for case in CASES:
                if (case.expected == SUCCESS) is in_time:
                    nursery.start_soon(probe, case)
    return verdicts


def _differ(ours: Verdict, theirs: Verdict) -> bool:
    both_answered = ours.status_code is not None and theirs.status_code is not None
    return ours.ok != theirs.ok or (both_answered and ours.status_code != theirs.status_code)
