#!/usr/bin/env python3
"""Prints the failed tests, with the end of each failure's text, from a pytest report (JUnit, xunit1).

usage: failures.py [--names] REPORT
"""

import sys
from xml.etree import ElementTree

MAX_LINES = 40


def main() -> None:
    """Read the report that is the last argument; with --names, print no texts."""
    *options, report = sys.argv[1:]
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  # pytest has written it
        texts = [bad.text or bad.get("message", "") for kind in ("failure", "error") for bad in case.iter(kind)]
        if texts:
            print(f"{case.get('file')}::{case.get('name')}")
        for text in texts if "--names" not in options else []:
            print(*(f"    {line}" for line in text.rstrip().splitlines()[-MAX_LINES:]), sep="\n")


main()
