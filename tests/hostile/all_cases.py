"""Every bad server there is."""

from __future__ import annotations

from tests.hostile import cases_bodies, cases_h2, cases_http, cases_redirects, cases_tls, cases_wire

CASES = (
    *cases_wire.CASES,
    *cases_http.CASES,
    *cases_bodies.CASES,
    *cases_redirects.CASES,
    *cases_tls.CASES,
    *cases_h2.CASES,
)
BY_NAME = {case.name: case for case in CASES}
