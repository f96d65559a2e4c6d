"""Text for databases that are not in UTF-8."""

import json

import pytest

from watcher.postgres.server_encoding import advice_on, fitting_json, fitting_text

TEXT = "Störung Ж € 🚧 \\n"


@pytest.mark.parametrize(
    ("encoding", "held"),
    [
        ("UTF8", TEXT),
        ("SQL_ASCII", TEXT),
        ("LATIN1", r"Störung \u0416 \u20ac \U0001f6a7 \n"),
        ("LATIN9", r"Störung \u0416 € \U0001f6a7 \n"),
        ("WIN1252", r"Störung \u0416 € \U0001f6a7 \n"),
        ("WIN866", r"St\xf6rung Ж \u20ac \U0001f6a7 \n"),
        ("ISO_8859_5", r"St\xf6rung Ж \u20ac \U0001f6a7 \n"),
        ("KOI8R", r"St\xf6rung Ж \u20ac \U0001f6a7 \n"),
        ("EUC_TW", r"St\xf6rung \u0416 \u20ac \U0001f6a7 \n"),
    ],
)
def test_unstorable_characters_are_escaped(encoding: str, held: str) -> None:
    assert fitting_text(TEXT, encoding) == held
    assert json.loads(fitting_json(json.dumps([TEXT], ensure_ascii=False), encoding)) == [held]
    assert (advice_on(encoding) is None) == (encoding == "UTF8")
