"""One bad file per mistake with variables, in bad_variables/: each has the lines below, without the value of one."""
# ruff: noqa: E501  # lines as their readers see them

from pathlib import Path

from tests.unit.config.error_lines import lines_of
from watcher.config.env.settings import Settings
from watcher.config.yaml.interpolation import MAX_EXPANDED_CHARS

BAD = Path(__file__).parent / "bad_variables"
FILES = sorted(path.stem for path in BAD.glob("*.yaml"))

VARIABLES = {
    "SECRET": "hunter2-5eb63bbbe01eeed093cb22bb8f5acdc3",
    "SHORT": "hu..2",
    "NUMBER": "1",
    "EMPTY": "",
    "NUL": "hunter2\0",
    "SURROGATE": "hunter2\udcff",
    "BIG": "x" * (MAX_EXPANDED_CHARS // 4),
}

NO_DURATION = "is not a duration; write seconds, as in 10, or with a unit, as in 500ms, 60s, 5m or 24h"
SYNTAX = "; https://github.com/google/re2/wiki/Syntax"

# Each line starts with `NAME.yaml:`.
LINES: dict[str, list[str]] = {
    "as_key": [
        "5:7: an alias cannot be a key; write the key itself, or put text that begins with * in quotes",
    ],
    "close_name": [
        "2:14: urls[0].address: ${SECRETS} is set neither in the environment nor in .env; did you mean SECRET?",
    ],
    "default_bad": [
        f"3:15: urls[0].interval: '${{INTERVAL:-ten}}' {NO_DURATION}",
    ],
    "empty": [
        "3:12: urls[0].regex: is empty; write a value, or remove the key",
        "4:15: urls[0].interval: is empty; write a value, or remove the key",
    ],
    "in_braces": [
        "3:32: is not valid YAML: did not find expected ',' or '}'; look at this line and the one before, and put ${NAME} in quotes where it stands in {} or []",
    ],
    "in_default": [
        "2:14: urls[0].address: ${A} has a reference in its default; write one variable after the other",
    ],
    "key": [
        "3:15: urls[0].headers.${***: '${***' is not a header name; write one as in Accept",
    ],
    "no_name": [
        "3:12: urls[0].regex: has a ${ that names no variable; write ${NAME} or ${NAME:-default}, or $${ for the text (so in 3 places)",
    ],
    "plain_number_too_low": [
        "4:14: urls[0].retries: '${NUMBER}' is not a whole number; write one, as in 3",
    ],
    "text_elsewhere": [
        "2:14: urls[0].address: '${SECRET}' is not an http or https URL; write it as in https://example.com/",
        "3:14: urls[1].address: 'https://a..${SECRET}/' has an empty part in its host 'a..${SECRET}'; remove the extra dot",
        "5:5: urls[3].name: 'https://${SECRET}/' is the name of urls[2] too; give one of them another `name`",
        "7:11: urls[4].name: '${SECRET}\\n' is not a name; write one line of 1 to 200 printable characters",
        "8:12: urls[4].group: '${SHORT}\\n' is not a name; write one line of 1 to 200 printable characters",
        "9:13: urls[4].method: '${SECRET} ' is not a method that can be sent; write one as in POST",
        "10:17: urls[4].resolve_to: '${SECRET}' is not an IP address; write one, as in 203.0.113.7 or 2001:db8::7",
        "12:16: urls[4].tls_config.ca_file: '${SECRET}' cannot be read: No such file or directory; correct the path, or make the file",
        "13:20: urls[4].tls_config.server_name: '${SECRET}:' is not a name; write one, as in shop.example",
    ],
    "text_in_pattern": [
        f"3:12: urls[0].regex: '(${{SECRET}}' is not a regular expression: missing ){SYNTAX}",
        f"4:35: urls[0].fail_if_body_matches_regexp[0]: '${{SECRET}}(' is not a regular expression: missing ){SYNTAX}",
        "5:19: urls[0].json[0].path: '${SECRET}(' is not a JMESPath expression: '${SECRET}(' is not expected at column 8; https://jmespath.org/specification.html",
    ],
    "text_in_secrets": [
        "3:22: urls[0].headers.X-Key: has a line break, a control character or space around it; write one line",
        "3:43: urls[0].headers.Host: has a line break, a control character or space around it; write one line",
        "4:27: urls[0].authorization.type: is not an authorization type; write one word, as in Bearer, and the rest under credentials",
        "4:54: urls[0].authorization.credentials: has a line break or an unprintable character; write one line",
        "6:28: urls[1].basic_auth.username: has a colon, which ends a user name (RFC 7617); write it without",
        "6:52: urls[1].basic_auth.password: has a line break or an unprintable character; write one line",
        "7:16: urls[1].proxy_url: is not a proxy URL; write http://, socks5:// or socks5h:// and its host and port",
        "9:11: urls[2].body: this is not text; put it in quotes",
        "11:20: urls[3].authorization: this is not a mapping; write it as in `authorization: {type: Bearer, credentials_file: t}`",
    ],
    "text_of_wrong_kind": [
        "2:5: urls[0]: '${SECRET}' is not a mapping; write `- address: https://example.com/`",
        f"4:15: urls[1].interval: '${{SECRET}}' {NO_DURATION}",
        f"5:14: urls[1].timeout: '${{SHORT}}' {NO_DURATION}",
        "6:28: urls[1].preferred_ip_protocol: '${SECRET}' is not one of 'any', 'ip4' or 'ip6'; write one of these",
        "8:9: urls[1].valid_status_codes[0]: '${SECRET}' is not a status; write one from 100 to 999 or a range, as in [200, \"300-399\"]",
        '9:19: urls[1].http_version: \'${SHORT}\' is not a supported HTTP version; write "1.1", "2" or auto',
        "10:14: urls[1].headers: this is not a mapping; write it as in `headers: {Accept: application/json}`",
    ],
    "too_large": [
        "4:12: its aliases and variables come to far more than the file itself; repeat less with them",
    ],
    "unset": [
        "2:14: urls[0].address: ${SHOP_HOST} is set neither in the environment nor in .env; set it, or write a default, as in ${SHOP_HOST:-x}",
    ],
    "unset_in_many_places": [
        "1:29: defaults.headers.X-Key: ${KEY} is set neither in the environment nor in .env; set it, or write a default, as in ${KEY:-x} (so in 5 places)",
    ],
    "unusable": [
        "2:14: urls[0].address: ${NUL} has a NUL, or a byte that is not UTF-8; set it to plain text",
        "4:12: urls[1].regex: ${SURROGATE} has a NUL, or a byte that is not UTF-8; set it to plain text",
    ],
}


def test_every_bad_file_has_its_lines_here() -> None:
    assert sorted(LINES) == FILES


def test_the_lines_of_each_bad_file(settings: Settings) -> None:
    lines = {name: lines_of(f"{name}.yaml", (BAD / f"{name}.yaml").read_bytes(), settings, VARIABLES) for name in FILES}
    assert lines == LINES
    assert "hunter2" not in str(lines)
    assert VARIABLES["SHORT"] not in str(lines)
