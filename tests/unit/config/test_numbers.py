"""Which scalars are numbers: decimal ones, as in JSON and YAML 1.2; nothing else becomes a number silently."""

import pytest

from tests.unit.config.error_lines import lines_of
from watcher.config.env.settings import Settings
from watcher.config.targets.build import parse_targets
from watcher.config.yaml.document import parse_yaml

ENTRY = "urls:\n  - address: https://a.example/\n    "


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-5", -5),
        ("+5", 5),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("-.inf", float("-inf")),
    ],
)
def test_a_decimal_number_is_one(text: str, number: float) -> None:
    value = parse_yaml("c.yaml", f"a: {text}".encode()).data["a"]
    assert (value, type(value)) == (number, type(number))


def test_all_else_is_text() -> None:
    texts = ["1:30", "1:30.5", "1_0", "1_0.5", "010", "00", "0.5_0", "01.5", "0x5", "0b1", "0o7", ".", "+", "1.2.3"]
    assert parse_yaml("c.yaml", f"a: [{', '.join(texts)}]".encode()).data == {"a": texts}
    assert parse_yaml("c.yaml", "\n".join(f"k{text}: {text}" for text in texts).encode()).data == {
        f"k{text}": text for text in texts
    }


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("interval: 1:30", "interval: '1:30' is not a duration; "),
        ("timeout: 0x5", "timeout: '0x5' is not a duration; "),
        ("retries: 1_0", "retries: '1_0' is not a whole number; "),
        ("max_redirects: 010", "max_redirects: '010' is not a whole number; "),
        ("valid_status_codes: [0200]", "valid_status_codes[0]: '0200' is not a status; "),
        ("cert_expiry_days: 1_0", "cert_expiry_days: '1_0' is not a number; "),
        ("body_size_limit: 0b11", "body_size_limit: '0b11' is not a whole number; "),
    ],
)
def test_numbers_of_old_yaml_are_mistakes(option: str, line: str, settings: Settings) -> None:
    [told] = lines_of("c.yaml", (ENTRY + option).encode(), settings)
    assert f" urls[0].{line}" in told


def test_names_need_no_quotes_for_it(settings: Settings) -> None:
    [target] = parse_targets("c.yaml", f"{ENTRY}name: 010\n    group: 1_000\n    enabled: no\n".encode(), settings)
    assert (target.name, target.group, target.enabled) == ("010", "1_000", False)


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e999"])
def test_values_that_no_body_can_have_are_refused(number: str, settings: Settings) -> None:
    for equals in (number, f"[1, {number}]", f"{{a: {number}}}"):
        [told] = lines_of("c.yaml", f"{ENTRY}json: [{{path: a, equals: {equals}}}]".encode(), settings)
        assert told.endswith(" is not allowed in JSON; write a finite number")


@pytest.mark.parametrize("number", [".nan", ".inf", "1e999"])
def test_no_key_accepts_infinite_numbers(number: str, settings: Settings) -> None:
    keys = (
        *("interval", "timeout", "retry_interval", "recheck_interval", "degraded_after", "cert_expiry_days"),
        *("retries", "max_redirects", "failure_threshold", "success_threshold", "body_size_limit", "http_version"),
    )
    lines = [lines_of("c.yaml", f"{ENTRY}{key}: {number}".encode(), settings)[0] for key in keys]
    assert [key for key, line in zip(keys, lines, strict=True) if f" urls[0].{key}: " not in line] == []


@pytest.mark.parametrize("key", ["name", "group"])
@pytest.mark.parametrize("text", ['""', "'${EMPTY}'"])
def test_an_empty_value_is_reported_once(key: str, text: str, settings: Settings) -> None:
    [told] = lines_of("c.yaml", f"{ENTRY}{key}: {text}".encode(), settings, {"EMPTY": ""})
    assert f" urls[0].{key}: " in told
    assert " is not a name; " in told


def test_a_variable_that_is_missing_makes_no_name_double(settings: Settings) -> None:
    text = "urls:\n" + "  - address: https://a.example/${NOPE}\n" * 30
    [told] = lines_of("c.yaml", text.encode(), settings)
    assert "${NOPE} is set neither" in told
    text += "  - {name: a, address: 'https://b.example/${NOPE}'}\n" * 2
    assert [line for line in lines_of("c.yaml", text.encode(), settings) if "is the name of urls[30] too" in line]
