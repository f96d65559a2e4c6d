"""`watcher validate`: mistakes with their lines, warnings, and the same for machines."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.typed import typed, write
from tests.unit.quickly import quickly

GOOD = "urls:\n  - address: https://example.com/\n"
SECRET = "hunter2"  # does not matter


def test_below_a_mistake_is_its_line_with_a_caret(tmp_path: Path) -> None:
    write(tmp_path, GOOD + '    regx: "Python"\n')
    result = typed(tmp_path, "validate")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "config.yaml:3:5: urls[0].regx: unknown key; did you mean regex?",
        '    3 |     regx: "Python"',
        "      |     ^",
    ]


@pytest.mark.parametrize(
    ("config", "line", "caret"),
    [
        (f"{GOOD}    passwrod: {SECRET}\n", "    passwrod: ***", "    ^"),
        (f"{GOOD}    basic_auth: {SECRET}\n", "    basic_auth: ***", "                ^"),
        (
            f"{GOOD}    basic_auth: {{usrname: u, password: {SECRET}}}\n    retries: 0\n",
            "    basic_auth: {usrname: u, password: ***}",
            "                ^",
        ),
        (
            f"urls:\n  - address: ftp://u:{SECRET}@h/?token={SECRET}\n    regex: x",
            "  - address: ftp://h/?token=***",
            "             ^",
        ),
        (
            f"urls:\n  - {{address: h, headers: {{X: {SECRET}}}, retries: a}} # {SECRET}",
            "  - {address: h, headers: {X: ***}, retries: a}",
            " " * 45 + "^",
        ),
    ],
)
def test_a_line_shows_no_secret(tmp_path: Path, config: str, line: str, caret: str) -> None:
    write(tmp_path, config)
    result = typed(tmp_path, "validate")
    assert result.exit_code == 2
    assert SECRET not in result.output
    lines = result.stderr.splitlines()
    assert f" | {line}" in {text[5:] for text in lines}
    assert f"      | {caret}" in lines


def test_wide_characters_keep_the_caret_at_its_place(tmp_path: Path) -> None:
    write(tmp_path, "urls:\n  - {name: 世界, address: https://h/, intervall: 1}\n")
    _, line, caret = typed(tmp_path, "validate").stderr.splitlines()
    # Each of the two wide characters takes two columns.
    assert caret.index("^") == line.index("intervall") + 2


def test_a_tab_is_four_columns(tmp_path: Path) -> None:
    write(tmp_path, "urls:\n\t- address: https://h/\n")
    _, line, caret = typed(tmp_path, "validate").stderr.splitlines()
    assert (line, caret) == ("    2 |     - address: ***", "      | ^")


def test_a_long_line_is_cut_around_the_caret(tmp_path: Path) -> None:
    names = ", ".join(f"a{number}" for number in range(200))
    write(tmp_path, f"urls:\n  - {{fail_if_body_matches_regexp: [{names}], intervall: 1, regex: {'x' * 200}}}\n")
    lines = typed(tmp_path, "validate").stderr.splitlines()
    place = next(index for index, line in enumerate(lines) if "intervall" in line)
    line, caret = lines[place + 1 : place + 3]
    assert len(line) <= 120
    assert line[caret.index("^") :].startswith("intervall")
    assert line.startswith("    2 | …")
    assert line.endswith("…")


def test_the_settings_show_their_lines_too(tmp_path: Path) -> None:
    write(tmp_path, GOOD, f"MAX_WORKERS=ten # {SECRET}\nPOSTGRES_PASSWRD={SECRET}\nMAX_WORKRES=5\n")
    lines = typed(tmp_path, "validate").stderr.splitlines()
    assert [line for line in lines if " | " in line and "^" not in line] == [
        "    2 | MAX_WORKERS=ten",
        "    3 | POSTGRES_PASSWRD=***",
        "    4 | MAX_WORKRES=5",
    ]
    assert SECRET not in "".join(lines)


def test_a_thousand_mistakes_are_reported_quickly(tmp_path: Path) -> None:
    write(tmp_path, "urls:\n" + "".join(f"  - {{address: https://h{n}/, intervall: 1}}\n" for n in range(1000)))
    lines = quickly(lambda: typed(tmp_path, "validate").stderr.splitlines(), 5)
    assert len(lines) == 3000


def test_output_to_a_file_has_no_colour(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "    regx: x\n")
    assert "\x1b" not in typed(tmp_path, "validate", FORCE_COLOR="1").output


def test_a_warning_is_not_a_mistake(tmp_path: Path) -> None:
    write(tmp_path, GOOD + f"    basic_auth: {{username: u, password: {SECRET}}}\n")
    result = typed(tmp_path, "validate")
    assert (result.exit_code, result.stdout) == (0, "config.yaml: 1 target, no mistakes, 1 warning\n")
    warning, line, caret = result.stderr.splitlines()
    assert warning.startswith("warning: config.yaml:3:41: urls[0].basic_auth.password: is a secret in plain text; ")
    assert line == "    3 |     basic_auth: {username: u, password: ***}"
    assert caret.index("^") == line.index("***")


def test_one_document_says_the_same_to_machines(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "    regx: x\n")
    result = typed(tmp_path, "validate", "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    mistake = {"file": "config.yaml", "line": 3, "column": 5, "where": "urls[0].regx"}
    assert json.loads(result.stdout) == {
        "ok": False,
        "targets": None,
        "channels": None,
        "mistakes": [{**mistake, "text": "unknown key; did you mean regex?"}],
        "warnings": [],
    }


def test_a_good_document_has_the_warnings(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "MAX_WORKERS=1\n")
    (tmp_path / "two.yaml").write_text(GOOD + "  - address: https://example.org/\n", encoding="utf-8")
    result = typed(tmp_path, "validate", "--json", "two.yaml")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"], document["targets"], document["mistakes"]) == (0, True, 2, [])
    [warning] = document["warnings"]
    assert (warning["file"], warning["line"], warning["where"]) == (".env", 2, "MAX_WORKERS")
    assert "configuration" not in document


def test_an_empty_name_of_a_file_is_none(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    result = typed(tmp_path, "validate", "")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "FILE is empty; name a file, or leave it out" in result.stderr


def test_a_folder_is_read_as_one(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "all" / "b.yaml").write_text("urls:\n  - address: https://h/\n    regx: x\n", encoding="utf-8")
    lines = typed(tmp_path, "validate", "all").stderr.splitlines()
    assert lines == [
        "all/b.yaml:3:5: urls[0].regx: unknown key; did you mean regex?",
        "    3 |     regx: x",
        "      |     ^",
    ]


def test_mistakes_that_only_a_delivery_would_find_are_reported(tmp_path: Path) -> None:
    channels = f"""\
channels:
  - {{name: a, url: "tgram://{SECRET}/1"}}
  - name: b
    url: "ntfys://h.example/{SECRET}"
    body: |
      {{{{ title }}}}
      {{% if {SECRET} %}}
"""
    write(tmp_path, GOOD + channels)
    result = typed(tmp_path, "validate")
    assert result.exit_code == 2
    assert SECRET not in result.output
    assert [line.split("; see ")[0] for line in result.stderr.splitlines() if line.startswith("config.yaml:4")] == [
        "config.yaml:4:20: channels[0].url: is not accepted by Apprise: Unparseable Telegram URL ***"
    ]
    assert "config.yaml:7:11: channels[1].body: is not a template of Jinja2: line 2: Unexpected end" in result.stderr
