"""One bad file per mistake in an option, in bad_options/: each has the lines below, and no others."""
# ruff: noqa: E501  # lines as their readers see them

from pathlib import Path

from tests.unit.config.error_lines import lines_of
from watcher.config.env.settings import Settings

BAD = Path(__file__).parent / "bad_options"
FILES = sorted(path.stem for path in BAD.glob("*.yaml"))

NO_DURATION = "is not a duration; write seconds, as in 10, or with a unit, as in 500ms, 60s, 5m or 24h"
NO_STATUS = 'is not a status; write one from 100 to 999 or a range, as in [200, "300-399"]'
EMPTY = "is empty; write a value, or remove the key"
SYNTAX = "; https://github.com/google/re2/wiki/Syntax"
JMESPATH = "; https://jmespath.org/specification.html"
NO_TRUTH = "is neither true nor false; write one of them"
NO_PLACE = "is not the name of a place; write one line of at most 100 printable characters"
NO_FILE = "cannot be read: No such file or directory; correct the path, or make the file"
NO_WHOLE = "is not a whole number; write one, as in 3"
KEYS = (
    " interval, timeout, method, headers, body, basic_auth, authorization, follow_redirects, max_redirects,"
    " valid_status_codes, regex, fail_if_body_matches_regexp, fail_if_body_not_matches_regexp,"
    " fail_if_header_matches, fail_if_header_not_matches, json, body_size_limit, degraded_after,"
    " cert_expiry_days, tls_config, preferred_ip_protocol, resolve_to, proxy_url, http_version, keep_alive,"
    " allow_private, alerts, depends_on, maintenance, description, labels, retries, retry_interval, recheck_interval,"
    " failure_threshold, success_threshold, enabled, locations, quorum"
)

# Each line starts with `NAME.yaml:`.
LINES = {
    "authorization_line_break": [
        "3:34: urls[0].authorization.credentials: has a line break or an unprintable character; write one line"
    ],
    "authorization_type": [
        "3:27: urls[0].authorization.type: is not an authorization type; write one word, as in Bearer, and the rest under credentials"
    ],
    "authorization_unknown_key": [
        "3:21: urls[0].authorization.token: unknown key; known are type, credentials, credentials_file"
    ],
    "authorization_without_credentials": [
        "3:20: urls[0].authorization: has neither credentials nor credentials_file; write one"
    ],
    "basic_auth_and_authorization": ["4:20: urls[0].authorization: is written besides basic_auth; remove one"],
    "basic_auth_and_header": ["3:17: urls[0].basic_auth: is written besides the header Authorization; remove one"],
    "basic_auth_colon": [
        "3:28: urls[0].basic_auth.username: has a colon, which ends a user name (RFC 7617); write it without"
    ],
    "basic_auth_missing_file": [f"3:46: urls[0].basic_auth.password_file: 'no such file' {NO_FILE}"],
    "basic_auth_text": [
        "3:17: urls[0].basic_auth: this is not a mapping; write it as in `basic_auth: {username: u, password_file: p}`"
    ],
    "basic_auth_twice": ["3:65: urls[0].basic_auth.password_file: is written besides password; remove one"],
    "basic_auth_without_password": ["3:17: urls[0].basic_auth: has neither password nor password_file; write one"],
    "basic_auth_without_username": ["3:17: urls[0].basic_auth.username: is missing; add it"],
    "body_mapping": ["3:11: urls[0].body: this is not text; put it in quotes"],
    "body_regexp_bad": [
        f"3:45: urls[0].fail_if_body_not_matches_regexp[1]: '(' is not a regular expression: missing ){SYNTAX}"
    ],
    "body_regexp_empty": [f"3:35: urls[0].fail_if_body_matches_regexp[0]: {EMPTY}"],
    "body_regexp_text": [
        "3:34: urls[0].fail_if_body_matches_regexp: 'maintenance' is not a list; write it as in `fail_if_body_matches_regexp: [\"maintenance\"]`"
    ],
    "body_size_limit_text": [f"3:22: urls[0].body_size_limit: '1MB' {NO_WHOLE}"],
    "body_size_limit_zero": [
        "3:22: urls[0].body_size_limit: 0 is not from 1 to 104857600; write how many bytes a body may have"
    ],
    "cert_expiry_days_duration": ["3:23: urls[0].cert_expiry_days: '14d' is not a number; write one, as in 14"],
    "cert_expiry_days_negative": [
        "3:23: urls[0].cert_expiry_days: -1 is not a finite number above zero; write one, as in 14"
    ],
    "defaults_address": [f"1:12: defaults.address: unknown key; known are group,{KEYS}"],
    "defaults_bad_value": [
        "1:22: defaults.interval: 60 is above MAX_INTERVAL_VAL=10; raise that in .env, or lower this",
        f"1:33: defaults.regex: '(' is not a regular expression: missing ){SYNTAX}",
        "1:47: defaults.timeout: 0 is not a finite number above zero; write seconds, as in 5",
    ],
    "defaults_forgotten": [f"1:10: defaults: {EMPTY}"],
    "defaults_list": ["1:11: defaults: a list is not a mapping; write it as in `defaults: {interval: 10}`"],
    "degraded_after_text": [f"3:21: urls[0].degraded_after: '1 second' {NO_DURATION}"],
    "degraded_after_zero": ["3:21: urls[0].degraded_after: 0 is not a finite number above zero; write one, as in 1.5"],
    "enabled_text": [f"3:14: urls[0].enabled: 'no' {NO_TRUTH}"],
    "failure_threshold_text": [f"3:24: urls[0].failure_threshold: 'three' {NO_WHOLE}"],
    "failure_threshold_true": [f"3:24: urls[0].failure_threshold: True {NO_WHOLE}"],
    "failure_threshold_zero": [
        "3:24: urls[0].failure_threshold: 0 is not from 1 to 1000; write how many failing checks in a row it takes"
    ],
    "follow_redirects_text": [f"3:23: urls[0].follow_redirects: 'sometimes' {NO_TRUTH}"],
    "group_blank": ["3:12: urls[0].group: ' ' is not a name; write one line of 1 to 200 printable characters"],
    "head_has_no_body": [
        f"{place}: urls[0].{key}: checks the body, but a response to HEAD does not have one; write `method: GET`, or remove this"
        for place, key in [
            ("4:12", "regex"),
            ("5:34", "fail_if_body_matches_regexp"),
            ("6:38", "fail_if_body_not_matches_regexp"),
            ("7:11", "json"),
        ]
    ],
    "header_match_bad": [
        f"3:60: urls[0].fail_if_header_not_matches[0].regexp: '[' is not a regular expression: missing ]{SYNTAX}"
    ],
    "header_match_unknown_key": [
        "3:30: urls[0].fail_if_header_matches[0].regexp: is missing; add it",
        "3:48: urls[0].fail_if_header_matches[0].regex: unknown key; did you mean regexp?",
    ],
    "header_match_without_regexp": ["3:30: urls[0].fail_if_header_matches[0].regexp: is missing; add it"],
    "header_name": ["3:15: urls[0].headers.X ***: 'X ***' is not a header name; write one as in Accept"],
    "header_number": ["3:26: urls[0].headers.X-Version: this is not text; put it in quotes"],
    "header_of_the_connection": ["3:15: urls[0].headers.Transfer-Encoding: is set by the connection itself; remove it"],
    "header_twice": ["3:26: urls[0].headers.accept: is the same header as 'Accept'; remove one"],
    "header_value_line_break": [
        "3:24: urls[0].headers.X-Token: has a line break, a control character or space around it; write one line"
    ],
    "headers_list": [
        "3:14: urls[0].headers: this is not a mapping; write it as in `headers: {Accept: application/json}`"
    ],
    "http_version_3": ['3:19: urls[0].http_version: 3 is not a supported HTTP version; write "1.1", "2" or auto'],
    "ip_protocol": [
        "3:28: urls[0].preferred_ip_protocol: 'ipv4' is not one of 'any', 'ip4' or 'ip6'; write one of these"
    ],
    "json_bytes": [
        "3:30: urls[0].json[0].equals: b'hello' is not a JSON value; write text, a number, true, false or null"
    ],
    "json_endless": ["3:30: urls[0].json[0].equals: has more than 10000 values; compare with less of the body"],
    "json_mapping": [
        '3:11: urls[0].json: a mapping is not a list; write it as in `json: [{path: status.db, equals: "ok"}]`'
    ],
    "json_path_bad": [
        f"3:19: urls[0].json[0].path: 'a[' is not a JMESPath expression: Invalid jmespath expression: Incomplete expression{JMESPATH}"
    ],
    "json_path_empty": [
        f"3:19: urls[0].json[0].path: '' is not a JMESPath expression: Invalid JMESPath expression: cannot be empty.{JMESPATH}"
    ],
    "json_without_equals": ["3:12: urls[0].json[0].equals: is missing; add it"],
    "keep_alive_text": [f"3:17: urls[0].keep_alive: 'true' {NO_TRUTH}"],
    "locations_names": [
        "3:22: urls[0].locations[1]: '*' stands for all places together; write the name of one place",
        "3:27: urls[0].locations[2]: 'fra' is written in locations[0] too; remove one",
        f"3:32: urls[0].locations[3]: 'a\\tb' {NO_PLACE}",
        "3:40: urls[0].locations[4]: is empty; write the name of a location, or remove it",
    ],
    "locations_text": ["3:16: urls[0].locations: 'fra' is not a list; write it as in `locations: [fra, nyc, sgp]`"],
    "max_redirects_fraction": [f"3:20: urls[0].max_redirects: 1.5 {NO_WHOLE}"],
    "max_redirects_negative": ["3:20: urls[0].max_redirects: -1 is not from 0 to 100; write how many may be followed"],
    "method_connect": ["3:13: urls[0].method: 'CONNECT' is not a method that can be sent; write one as in POST"],
    "method_with_space": ["3:13: urls[0].method: 'GET /' is not a method that can be sent; write one as in POST"],
    "options_forgotten": [
        f"3:13: urls[0].headers: {EMPTY}",
        f"4:11: urls[0].json: {EMPTY}",
        f"5:17: urls[0].tls_config: {EMPTY}",
        f"6:11: urls[0].body: {EMPTY}",
    ],
    "proxy_and_private": [
        "4:20: urls[0].allow_private: false is not possible with proxy_url, since the proxy connects; allow them, or remove the proxy"
    ],
    "proxy_no_host": ["3:16: urls[0].proxy_url: has no host; write it as in https://example.com/"],
    "proxy_path": ["3:16: urls[0].proxy_url: has something after the port; write it as in http://proxy:3128"],
    "proxy_scheme": [
        "3:16: urls[0].proxy_url: is not a proxy URL; write http://, socks5:// or socks5h:// and its host and port"
    ],
    "quorum_above": ["5:13: urls[0].quorum: 3 is above 2, the number of locations; lower it, or add locations"],
    "quorum_in_defaults": ["1:43: defaults.quorum: 3 is above 2, the number of locations; lower it, or add locations"],
    "quorum_without_locations": [
        "5:13: urls[0].quorum: is written without locations; write which locations watch the target, or remove it"
    ],
    "quorum_zero": ["4:13: urls[0].quorum: 0 is below 1; write how many locations must find the target down"],
    "recheck_interval_above": [
        "4:23: urls[0].recheck_interval: 6 is above the interval of 5; lower it, or raise the interval"
    ],
    "recheck_interval_in_defaults": [
        "1:30: defaults.recheck_interval: nan is not a finite number above zero; write seconds, as in 5"
    ],
    "recheck_interval_text": [f"3:23: urls[0].recheck_interval: 'soon' {NO_DURATION}"],
    "recheck_interval_too_short": [
        "3:23: urls[0].recheck_interval: 0.009 is below 0.01, the shortest interval; write more seconds"
    ],
    "recheck_interval_zero": [
        "3:23: urls[0].recheck_interval: 0 is not a finite number above zero; write seconds, as in 5"
    ],
    "resolve_to_name": [
        "3:17: urls[0].resolve_to: 'other.example' is not an IP address; write one, as in 203.0.113.7 or 2001:db8::7"
    ],
    "retries_negative": ["3:14: urls[0].retries: -1 is not from 0 to 100; write how many more attempts there are"],
    "retry_interval_negative": [
        "3:21: urls[0].retry_interval: -1 is not a finite number from zero; write seconds, as in 1"
    ],
    "status_codes_empty": [f"3:25: urls[0].valid_status_codes: {EMPTY}"],
    "status_codes_number": [
        '3:25: urls[0].valid_status_codes: 200 is not a list; write it as in `valid_status_codes: [200, "300-399"]`'
    ],
    "status_codes_out_of_range": [f"3:31: urls[0].valid_status_codes[1]: 1000 {NO_STATUS}"],
    "status_codes_reversed": [f"3:26: urls[0].valid_status_codes[0]: '399-300' {NO_STATUS}"],
    "success_threshold_above": [
        "3:24: urls[0].success_threshold: 1001 is not from 1 to 1000; write how many good checks in a row it takes"
    ],
    "tls_key_without_certificate": [
        "3:28: urls[0].tls_config.key_file: is written without cert_file; add that, or remove this"
    ],
    "tls_missing_ca_file": [f"3:27: urls[0].tls_config.ca_file: 'no such file' {NO_FILE}"],
    "tls_no_version_left": [
        "3:31: urls[0].tls_config.min_version: leaves no version from TLS13 to TLS12; lower min_version, or raise max_version"
    ],
    "tls_server_name": ["3:31: urls[0].tls_config.server_name: 'a b' is not a name; write one, as in shop.example"],
    "tls_unknown_key": [
        "3:18: urls[0].tls_config.insecure: unknown key; known are insecure_skip_verify, ca_file, cert_file, key_file, server_name, min_version, max_version, legacy_renegotiation"
    ],
    "tls_version": [
        "3:31: urls[0].tls_config.min_version: 'TLS1.2' is not one of 'TLS10', 'TLS11', 'TLS12' or 'TLS13'; write one of these"
    ],
}


def test_every_bad_file_has_its_lines_here() -> None:
    assert list(LINES) == FILES


def test_the_lines_of_each_bad_file(settings: Settings) -> None:
    lines = {name: lines_of(f"{name}.yaml", (BAD / f"{name}.yaml").read_bytes(), settings) for name in FILES}
    assert lines == LINES
    assert "hunter" not in str(lines)
