"""`page` in the config file: its values and its mistakes."""

from pathlib import Path

import pytest

from watcher.config import Configuration, load_configuration
from watcher.config.mistakes import ConfigurationError
from watcher.config.schema.limits import MAX_LOGO_BYTES

URLS = "urls:\n  - {address: https://h.example/, group: shop}\n"
PNG = b"\x89PNG\r\n\x1a\n..."
LOGOS = {
    "a.png": (PNG, "image/png"),
    "b.png": (b"\xff\xd8\xff\xe0...", "image/jpeg"),
    "c": (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    "d.svg": (b"<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE svg>\n<svg xmlns='...'/>", "image/svg+xml"),
}


def loaded(folder: Path, page: str) -> Configuration:
    """Load a configuration with a page."""
    path = folder / "config.yaml"
    path.write_text(f"{URLS}page: {page}\n", encoding="utf-8")
    return load_configuration(folder / ".env", {"CONFIG_FILE_PATH": str(path)})


@pytest.mark.parametrize("name", LOGOS)
def test_a_page_has_its_options(tmp_path: Path, name: str) -> None:
    content, media_type = LOGOS[name]
    (tmp_path / name).write_bytes(content)
    configuration = loaded(tmp_path, f'{{title: Ours, intro: "a\\nb", logo_file: {name}, public_groups: [shop]}}')
    page = configuration.page
    assert (page.title, page.intro, page.public_groups) == ("Ours", "a\nb", frozenset({"shop"}))
    assert page.logo is not None
    assert (page.logo.content, page.logo.media_type) == (content, media_type)
    assert tmp_path / name in configuration.files  # a change of it needs a reload
    assert configuration.warnings == ()


@pytest.mark.parametrize(
    ("page", "where", "text"),
    [
        ("", "page", "is empty"),
        ("{titel: x}", "page.titel", "did you mean title?"),
        ("{title: 5}", "page.title", "put it in quotes"),
        ('{title: " "}', "page.title", "is not one line"),
        ('{title: "a\\nb"}', "page.title", "is not one line"),
        (f"{{intro: {'x' * 1001}}}", "page.intro", "1 to 1000 characters"),
        ("{public_groups: []}", "page.public_groups", "is empty"),
        ("{public_groups: shop}", "page.public_groups", "is not a list"),
        ("{logo_file: missing.png}", "page.logo_file", "cannot be read"),
        ("{logo_file: text.png}", "page.logo_file", "neither PNG"),
        ("{logo_file: large.png}", "page.logo_file", f"more than {MAX_LOGO_BYTES} bytes"),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path: Path, page: str, where: str, text: str) -> None:
    (tmp_path / "text.png").write_bytes(b"<p><svg>")
    (tmp_path / "large.png").write_bytes(PNG + bytes(MAX_LOGO_BYTES))
    with pytest.raises(ConfigurationError) as error:
        loaded(tmp_path, page)
    [mistake] = error.value.mistakes
    assert mistake.where == where
    assert text in mistake.text
    assert mistake.place.line == 3


def test_an_empty_group_is_reported(tmp_path: Path) -> None:
    [warning] = loaded(tmp_path, "{public_groups: [shop, shops]}").warnings
    assert (warning.where, "did you mean shop?" in warning.text) == ("page.public_groups[1]", True)


def test_one_file_of_a_folder_has_the_page(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(URLS, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("page: {title: Ours}\n", encoding="utf-8")
    assert load_configuration(tmp_path / ".env", {"CONFIG_FILE_PATH": str(tmp_path)}).page.title == "Ours"
    (tmp_path / "c.yaml").write_text("page: {title: Theirs}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"is written in .*b\.yaml:1:1 too"):
        load_configuration(tmp_path / ".env", {"CONFIG_FILE_PATH": str(tmp_path)})
