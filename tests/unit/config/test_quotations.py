"""Quotations in error lines: variables are named in the place of their values, and our own words are kept."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config.error_lines import lines_of
from watcher.config.env.settings import Settings
from watcher.config.mistakes import shown
from watcher.config.yaml.quotations import without_values

VARIABLES = {
    "S": "hunter2hunter",
    "SHORT": "act",
    "ONE": "r",
    "EMPTY": "",
    "LINES": "two\nlines!",
    "BACK": "a\\b'c\"d",
    "CAPITALS": "HUNTER2Hunter",
    "WORDS": "regular expression",
    "PORT": "8443",
    "DOTS": "../hunter2/./it3",
}


def value_of(template: str) -> str:
    """Insert variables."""
    for name, value in VARIABLES.items():
        template = template.replace(f"${{{name}}}", value)
    return template


@pytest.mark.parametrize(
    ("template", "said", "expected"),
    [
        ("${S}", "'hunter2hunter' is bad", "'${S}' is bad"),
        ("(x${S}", "'(xhunter2hunter' is bad: missing ): '(xhun'", "'(x${S}' is bad: missing ): '(x${S}'"),
        ("${S}/a", "'hunter2hunter/a' is bad at 'r/a'", "'${S}/a' is bad at '${S}/a'"),
        ("${S}/a", "'hunter2hunter/a' is bad at '/a'", "'${S}/a' is bad at '/a'"),
        # However short a quoted value is, it is not shown, and nothing else is changed.
        (
            "${SHORT}(",
            "'act(' is no character of many, at 'ct('",
            "'${SHORT}(' is no character of many, at '${SHORT}('",
        ),
        ("x${ONE}y", "'xry' is no word: 'ry'", "'x${ONE}y' is no word: '${ONE}y'"),
        ("${EMPTY}", "'' of many", "'${EMPTY}' of many"),
        ("${LINES}", r"'two\nlines!' at '\nli'", "'${LINES}' at '${LINES}'"),
        # As `repr` writes it once, twice, and not at all.
        ("${BACK}", r"""it has 'a\\b\'c"d' in it""", "it has '${BACK}' in it"),
        ("${BACK}", r"""it has 'a\\\\b\'c' in it""", "it has '${BACK}' in it"),
        ("${BACK}", r"""it has 'a\b' in it""", "it has '${BACK}' in it"),
        # As hosts are.
        ("https://${CAPITALS}..é/", "in its host 'hunter2hunter..é'", "in its host 'https://${CAPITALS}..é/'"),
        ("https://u:${S}@h..x/", "'https://h..x/' has 'h..x'", "'https://h..x/' has 'h..x'"),
        # A value that a library has changed.
        ("${S}", "it was '<<Hunter2hunt>>'", "it was '${S}'"),
        ("${SHORT}//x", "'config/act/x' cannot be read", "'${SHORT}//x' cannot be read"),
        ("a${DOTS}b", "'config/a../hunter2/it3b' cannot be read", "'a${DOTS}b' cannot be read"),
        ("${ONE}//x", "'config/r/x' cannot be read", "'${ONE}//x' cannot be read"),
        # Our own words.
        ("${WORDS}(", "'regular expression(' is no regular expression", "'${WORDS}(' is no regular expression"),
        ("${S}", "'hunter2hunter' is not one of 'any', 'hunter2'", "'${S}' is not one of 'any', 'hunter2'"),
        ("${PORT}", '\'8443\' is no version; write "8443", "2"', '\'${PORT}\' is no version; write "8443", "2"'),
        ("x" * 90 + "${S}", f"'{'x' * 78}… is bad", f"'{'x' * 78}… is bad"),
        ("${S}", "is missing; add it", "is missing; add it"),
        # The user has written the value of a default; that of a secret may be the secret.
        ("${NONE:-ten}", "'ten' is bad", "'${NONE:-ten}' is bad"),
        ("${MY_TOKEN:-hunter2}(", "'hunter2(' is bad: 'er2('", "'${MY_TOKEN:-***}(' is bad: '${MY_TOKEN:-***}('"),
    ],
)
def test_variables_are_named_in_quotations(template: str, said: str, expected: str) -> None:
    value = value_of(template).replace("${NONE:-ten}", "ten").replace("${MY_TOKEN:-hunter2}", "hunter2")
    assert without_values(said, value, template, VARIABLES) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("8443 is above MAX_INTERVAL_VAL=10; raise it", "'${PORT}' is above MAX_INTERVAL_VAL=10; raise it"),
        ("-1.5e+07 is bad", "'${PORT}' is bad"),
        ("True is bad", "'${PORT}' is bad"),
        ("a list is bad, with 5", "a list is bad, with 5"),
    ],
)
def test_nor_is_a_number_shown(said: str, expected: str) -> None:
    assert without_values(said, 8443, "${PORT}", VARIABLES) == expected


@given(
    st.text(string.printable, min_size=1).map("Q7z{}".format),
    st.text(string.ascii_letters + "'\"\\([{ "),
    st.data(),
)
def test_no_piece_of_a_secret_is_quoted(secret: str, around: str, data: st.DataObject) -> None:
    template, value = f"{around}${{V}}{around}", f"{around}{secret}{around}"
    begin = data.draw(st.integers(0, len(around)))
    end = data.draw(st.integers(len(around) + 3, len(value)))
    said = f"{shown(value)} cannot be read: {value[begin:end]!r} is not expected; mend it"
    assert "Q7z" not in without_values(said, value, template, {"V": secret})


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('regex: "a\\\\q${S}("', "'a\\\\q${S}(' is not a regular expression: invalid escape sequence: '\\\\q'"),
        (
            'regex: "[${SHORT}-a]"',
            "'[${SHORT}-a]' is not a regular expression: invalid character class range: '[${SHORT}-a]'",
        ),
        (
            'json: [{path: "a ${SHORT}", equals: 1}]',
            "'a ${SHORT}' is not a JMESPath expression: '${SHORT}' is not expected at",
        ),
        (
            'json: [{path: "${SHORT} b", equals: 1}]',
            "'${SHORT} b' is not a JMESPath expression: 'b' is not expected at column 5",
        ),
        (
            'json: [{path: "a.`${S}", equals: 1}]',
            "'a.`${S}' is not a JMESPath expression: '`${S}' is not expected at column 3",
        ),
        ("interval: ${PORT}", "'${PORT}' is above MAX_INTERVAL_VAL=10"),
        ('method: "${WORDS}"', "'${WORDS}' is not a method that can be sent; write one as in POST"),
    ],
)
def test_the_words_of_libraries_quote_no_variable(line: str, told: str, settings: Settings) -> None:
    content = f"urls:\n  - address: https://h/\n    {line}\n".encode()
    [found] = lines_of("x", content, settings, VARIABLES)
    assert told in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    "content",
    [
        "urls:\n  - {address: 'https://h/', headers: &a {server_name: 'hunter2:'}, tls_config: *a}\n",
        "urls:\n  - {address: 'https://h/', tls_config: &a {server_name: 'hunter2:'}, headers: *a}\n",
        "urls:\n  - {address: 'https://h/', body: &b 'hunter2(', regex: *b}\n",
        "urls:\n  - {address: 'https://h/', regex: &b 'hunter2(', body: *b}\n",
        "defaults: {body: &b 'hunter2('}\nurls:\n  - {address: 'https://h/', fail_if_body_matches_regexp: [*b]}\n",
        "urls:\n  - {address: 'https://h/', headers: {X: &s 'hunter2:'}, tls_config: &t {server_name: *s}}\n",
    ],
    ids=["mapping", "mapping_before", "text", "text_before", "list", "inside"],
)
def test_a_repeated_value_is_a_secret_if_one_of_its_places_is(content: str, settings: Settings) -> None:
    [line] = lines_of("x", content.encode(), settings)
    assert "hunter2" not in line
    assert ": this " in line


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("basic_auth: &a {pasword: p, username: u}, authorization: *a", "unknown key; did you mean password?"),
        ("headers: &a {min_version: hunter2}, tls_config: *a", "this is not one of 'TLS10', 'TLS11', 'TLS12' or"),
    ],
    ids=["unknown_key", "choice"],
)
def test_our_own_words_stay_where_aliases_repeat_a_secret(options: str, told: str, settings: Settings) -> None:
    lines = lines_of("x", f"urls:\n  - {{address: 'https://h/', {options}}}\n".encode(), settings)
    assert any(told in line for line in lines), lines
    assert "hunter2" not in "".join(lines)


def test_the_name_of_an_alias_may_be_a_secret(settings: Settings) -> None:
    [line] = lines_of("x", b"urls:\n  - {address: 'https://h/', body: &hunter2 [*hunter2]}\n", settings)
    assert "hunter2" not in line


def test_a_value_repeated_at_harmless_places_is_shown(settings: Settings) -> None:
    content = b"urls:\n  - &a {address: 'https://h/', interval: &i 120}\n  - {address: 'https://g/', interval: *i}\n"
    for line in lines_of("x", content, settings):
        assert "120 is above MAX_INTERVAL_VAL=10; raise that in .env" in line
