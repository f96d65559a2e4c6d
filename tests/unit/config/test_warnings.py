"""Warnings about valid configuration that may not do what its author expects."""

from pathlib import Path

import pytest

from watcher.config import load_configuration
from watcher.config.mistakes import Mistake
from watcher.config.warnings import MAX_TOLD

SECRET = "hunter2"
ENTRY = "urls:\n  - address: https://h.example/\n"


def warnings_about(folder: Path, config: str, **variables: str) -> list[Mistake]:
    """Return the warnings about a config file, with enough workers."""
    path = folder / "config.yaml"
    path.write_text(config, encoding="utf-8")
    settings = {"CONFIG_FILE_PATH": str(path), "MAX_WORKERS": "1000", **variables}
    warnings = load_configuration(folder / ".env", settings).warnings
    assert SECRET not in str(warnings)
    return list(warnings)


def test_a_clean_configuration_has_none(tmp_path: Path) -> None:
    (tmp_path / "p").write_text(SECRET, encoding="utf-8")
    (tmp_path / "p").chmod(0o600)
    config = (
        "defaults: {headers: {Accept: text/html, X-Api-Key: '${KEY}'}}\n"
        f"{ENTRY}    basic_auth: {{username: u, password_file: p}}\n"
        "  - {address: 'https://u:${KEY}@h.example/', name: b, proxy_url: 'http://u:${KEY}@proxy:3128'}\n"
        "  - {address: 'https://h.example/?q=a&keyword=b&token=', name: c, authorization: {credentials: '${KEY}'}}\n"
        "  - {address: 'http://127.0.0.1/', basic_auth: {username: u, password: '${KEY}'}}\n"
    )
    assert warnings_about(tmp_path, config, KEY=SECRET) == []


@pytest.mark.parametrize(
    ("option", "where"),
    [
        (f"basic_auth: {{username: u, password: {SECRET}}}", "basic_auth.password"),
        (f"authorization: {{credentials: {SECRET}}}", "authorization.credentials"),
        (f"headers: {{Cookie: {SECRET}}}", "headers.Cookie"),
        (f"headers: {{x-api-key: {SECRET}}}", "headers.x-api-key"),
        (f"headers: {{X-My-Token: {SECRET}}}", "headers.X-My-Token"),
        (f"headers: {{My-Secret: {SECRET}}}", "headers.My-Secret"),
        (f"proxy_url: http://u:{SECRET}@proxy:3128", "proxy_url"),
    ],
)
def test_a_secret_in_plain_text_is_reported_once(tmp_path: Path, option: str, where: str) -> None:
    [warning] = warnings_about(tmp_path, f"{ENTRY}    {option}\n")
    assert warning.where == f"urls[0].{where}"
    assert warning.place.line == 3
    assert "plain text" in warning.text
    both = warnings_about(tmp_path, f"defaults:\n  {option}\n{ENTRY}  - address: https://g.example/\n")
    assert [told.where for told in both] == [f"defaults.{where}"]


@pytest.mark.parametrize(
    "address",
    [
        f"https://u:{SECRET}@h/",
        f"https://{SECRET}@h/",
        f"https://h/?access_token={SECRET}&a=b",
        f"https://h/?apiKey={SECRET}",
    ],
)
def test_so_is_one_in_an_address(tmp_path: Path, address: str) -> None:
    [warning] = warnings_about(tmp_path, f"urls:\n  - address: {address}\n")
    assert (warning.where, warning.place.line, warning.place.column) == ("urls[0].address", 2, 14)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://h.example/", True),
        ("HTTP://h.example/", True),
        ("https://h.example/", False),
        ("http://localhost:8080/", False),
        ("http://a.localhost/", False),
        ("http://127.8.8.8/", False),
        ("http://[::1]/", False),
        ("http://10.0.0.1/", True),
    ],
)
def test_credentials_over_plain_http_are_reported_from_any_source(tmp_path: Path, address: str, told: bool) -> None:
    for option in (
        "basic_auth: {username: u, password: '${KEY}'}",
        "authorization: {credentials: '${KEY}'}",
        "headers: {authorization: '${KEY}'}",
    ):
        warnings = warnings_about(tmp_path, f"defaults:\n  {option}\nurls:\n  - address: {address}\n", KEY=SECRET)
        assert [(warning.where, warning.place.line) for warning in warnings] == [("urls[0].address", 4)] * told


def test_a_secret_readable_by_all_users_is_reported_once(tmp_path: Path) -> None:
    for name in ("p", "q"):
        (tmp_path / name).write_text(SECRET, encoding="utf-8")
    (tmp_path / "p").chmod(0o644)
    (tmp_path / "q").chmod(0o640)
    config = (
        f"{ENTRY}    basic_auth: {{username: u, password_file: p}}\n"
        "  - {address: 'https://g/', authorization: {credentials_file: p}}\n"
        "  - {address: 'https://f/', authorization: {credentials_file: q}}\n"
    )
    [warning] = warnings_about(tmp_path, config)
    assert (warning.where, warning.place.line) == ("urls[0].basic_auth.password_file", 3)
    assert "chmod o-r" in warning.text
    [warning] = warnings_about(tmp_path, ENTRY, POSTGRES_PASSWORD_FILE=str(tmp_path / "p"))
    assert warning.where == "POSTGRES_PASSWORD_FILE"


@pytest.mark.parametrize(
    ("location", "host", "told"),
    [
        ("nyc", "db.example", []),
        ("moon", "db.example", ["no target is watched here, at WATCHER_LOCATION='moon'; add it, or set another"]),
        ("nyc", "", ["other locations cannot reach the embedded database, so this one decides alone; set POSTGRES_HOST"]),  # noqa: E501
    ],
)  # fmt: skip
def test_places_without_effect_are_reported(tmp_path: Path, location: str, host: str, told: list[str]) -> None:
    config = f"{ENTRY}    locations: [fra, nyc]\n  - {{address: https://g.example/, locations: [fra]}}\n"
    variables = {"WATCHER_LOCATION": location, "POSTGRES_HOST": host, "POSTGRES_USER": "u", "POSTGRES_DB": "d"}
    warnings = warnings_about(tmp_path, config, POSTGRES_PASSWORD=SECRET, **variables)
    assert [(str(one.place).rpartition("/")[2], one.where) for one in warnings] == [
        ("config.yaml:3:16", "urls[0].locations") for _ in told
    ]
    assert [one.text for one in warnings] == told
    assert warnings_about(tmp_path, ENTRY, POSTGRES_PASSWORD=SECRET, **variables) == []


def test_too_few_workers_are_reported_at_their_number(tmp_path: Path) -> None:
    config = ENTRY + "  - address: https://g.example/\n"
    [warning] = warnings_about(tmp_path, config, MAX_WORKERS="1")
    assert str(warning.place) == "environment"
    assert warning.where == "MAX_WORKERS"
    assert "2 workers, and MAX_WORKERS is 1" in warning.text
    (tmp_path / ".env").write_text("\nMAX_WORKERS=1\n", encoding="utf-8")
    [warning] = warnings_about(tmp_path, config, MAX_WORKERS="")
    assert str(warning.place) == f"{tmp_path / '.env'}:2:1"
    (tmp_path / ".env").unlink()
    many = "urls:\n" + "".join(f"  - address: https://h{number}/\n" for number in range(11))
    [warning] = warnings_about(tmp_path, many, MAX_WORKERS="")
    assert str(warning.place) == str(tmp_path / ".env")


def test_many_of_a_kind_are_counted(tmp_path: Path) -> None:
    count = MAX_TOLD + 10
    config = "urls:\n" + "".join(f"  - address: https://u:{SECRET}@h{number}/\n" for number in range(count))
    warnings = warnings_about(tmp_path, config)
    assert len(warnings) == MAX_TOLD + 1
    assert warnings[-1].text.endswith(f"(and {count - MAX_TOLD - 1} more like this)")
    assert "more" not in warnings[-2].text


@pytest.mark.parametrize("key", ["name", "group"])
def test_a_secret_in_a_shown_text_is_reported(tmp_path: Path, key: str) -> None:
    [warning] = warnings_about(tmp_path, f"{ENTRY}    {key}: ${{TEAM}} ${{SHOP_TOKEN}}\n", TEAM="a", SHOP_TOKEN=SECRET)
    assert (warning.where, warning.place.line) == (f"urls[0].{key}", 3)
    assert warning.text == "contains the secret ${SHOP_TOKEN} and is shown everywhere; write it without the secret"
    assert warnings_about(tmp_path, f"{ENTRY}    {key}: ${{TEAM}}\n", TEAM="a") == []


def test_a_value_in_its_own_file_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "user").write_text(SECRET, encoding="utf-8")
    (tmp_path / "user").chmod(0o600)
    [warning] = warnings_about(
        tmp_path, f"defaults: {{group: '${{POSTGRES_USER}}'}}\n{ENTRY}", POSTGRES_USER_FILE=str(tmp_path / "user")
    )
    assert warning.where == "defaults.group"
