"""A folder of config files: which files count, how they are joined, and where their mistakes are reported."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from watcher.config import load_configuration
from watcher.config.env.settings import Settings
from watcher.config.mistakes import ConfigurationError
from watcher.config.targets.build import load_sources, load_targets
from watcher.model.target import Target

A = "urls:\n  - address: https://a.example/\n"
B = "urls:\n  - address: https://b.example/\n"


def written(folder: Path, files: dict[str, str]) -> Path:
    """Write files."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def targets_of(folder: Path, settings: Settings) -> tuple[Target, ...]:
    """Read a folder."""
    return load_targets(replace(settings, config_file=folder))


def names_of(folder: Path, settings: Settings) -> list[str]:
    """Read a folder, and return the hosts."""
    return [target.address.split("/")[2].partition(".")[0] for target in targets_of(folder, settings)]


def lines_of(folder: Path, settings: Settings) -> list[str]:
    """Read a folder with mistakes, and return the lines, without the path of the folder."""
    with pytest.raises(ConfigurationError) as caught:
        targets_of(folder, settings)
    return [str(mistake).replace(f"{folder}/", "") for mistake in caught.value.mistakes]


def test_all_files_count_in_the_order_of_their_names(tmp_path: Path, settings: Settings) -> None:
    written(tmp_path, {"20-b.yml": B, "10-a.yaml": A, "c.yaml": B.replace("/b", "/c"), "B.yaml": B.replace("/b", "/B")})
    assert names_of(tmp_path, settings) == ["a", "b", "B", "c"]


def test_leftovers_of_editors_are_ignored(tmp_path: Path, settings: Settings) -> None:
    bad = "urls: ["
    others = [".a.yaml.swp", ".b.yaml", "a.yaml~", "#a.yaml#", "schema.json", "README.md", "4913", "a.yaml.bak", "yaml"]
    written(tmp_path, {"a.yaml": A, **dict.fromkeys(others, bad)})
    written(tmp_path / "below.yaml", {"c.yaml": bad})
    (tmp_path / ".#a.yaml").symlink_to("user@host.1234")
    assert names_of(tmp_path, settings) == ["a"]


def test_the_links_of_kubernetes_are_followed(tmp_path: Path, settings: Settings) -> None:
    written(tmp_path / "..2026_11_24", {"a.yaml": A, "b.yaml": B})
    (tmp_path / "..data").symlink_to("..2026_11_24")
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).symlink_to(Path("..data", name))
    assert names_of(tmp_path, settings) == ["a", "b"]


def test_the_defaults_of_one_file_hold_for_all(tmp_path: Path, settings: Settings) -> None:
    written(tmp_path, {"a.yaml": A, "z.yaml": "defaults: {interval: 4}\n", "b.yaml": f"defaults: {{retries: 3}}\n{B}"})
    found = targets_of(tmp_path, settings)
    assert [(target.interval_seconds, target.retries) for target in found] == [(4, 3), (4, 3)]


def test_a_default_that_is_written_twice_names_both_places(tmp_path: Path, settings: Settings) -> None:
    written(
        tmp_path,
        {"a.yaml": f"defaults: {{interval: 4}}\n{A}", "b.yaml": f"defaults:\n  retries: 1\n  interval: 4\n{B}"},
    )
    assert lines_of(tmp_path, settings) == [
        "b.yaml:3:3: defaults.interval: is written in a.yaml:1:12 too, and holds for all files of the folder;"
        " keep one of them"
    ]


def test_a_mistake_in_a_default_is_reported_once_where_it_is_written(tmp_path: Path, settings: Settings) -> None:
    written(tmp_path, {"a.yaml": A, "b.yaml": B, "d.yaml": "defaults: {retries: 1000, regex: '('}\n"})
    assert [line.partition(" ")[0] for line in lines_of(tmp_path, settings)] == ["d.yaml:1:21:", "d.yaml:1:34:"]


def test_names_are_the_folders_and_both_places_are_named(tmp_path: Path, settings: Settings) -> None:
    files = {
        "a.yaml": f"{A}    name: Same\n",
        "b.yaml": f"{B}  - address: https://c.example/\n    name: Same\n",
        "c.yaml": A,
    }
    assert lines_of(written(tmp_path, files), settings) == [
        "b.yaml:4:11: urls[1].name: 'Same' is the name of urls[0] in a.yaml:3:11 too; give one of them another `name`"
    ]


def test_the_mistakes_of_all_files_are_reported_in_order(tmp_path: Path, settings: Settings) -> None:
    files = {
        "a.yaml": "urls:\n  - address: nohost\n  - address: ${NONE}\n",
        "b.yaml": "urls: [\n",
        "c.yaml": "- x\n",
        "d.yaml": "urls: []\nother: 1\n",
        "e.yaml": "urls:\n  - address: https://a.example/\n    interval: 0\n",
    }
    lines = lines_of(written(tmp_path, files), settings)
    assert [line.partition(" ")[0] for line in lines] == [
        "a.yaml:2:14:",
        "a.yaml:3:14:",
        "b.yaml:2:1:",
        "c.yaml:1:1:",
        "d.yaml:1:7:",
        "d.yaml:2:1:",
        "e.yaml:3:15:",
    ]
    assert " urls[0].interval: 0 is " in lines[-1]


def test_an_empty_folder_is_a_mistake(tmp_path: Path, settings: Settings) -> None:
    assert lines_of(written(tmp_path, {"a.json": "{}"}), settings) == [
        f"environment: CONFIG_FILE_PATH: '{tmp_path}' is a folder without a config file;"
        " write one into it that ends in .yaml or .yml"
    ]


def test_some_file_must_have_urls(tmp_path: Path, settings: Settings) -> None:
    written(tmp_path, {"a.yaml": "defaults: {interval: 4}\n", "b.yaml": "# nothing yet\n", "c.yml": ""})
    assert lines_of(tmp_path, settings) == [
        f"{tmp_path}: urls: is missing in every file;"
        " list the targets, as in `urls: [{address: https://example.com/}]`"
    ]
    written(tmp_path, {"d.yaml": A})
    assert [target.interval_seconds for target in targets_of(tmp_path, settings)] == [4]


def test_a_file_that_cannot_be_read_hides_no_other(tmp_path: Path, settings: Settings) -> None:
    written(tmp_path, {"b.yaml": "urls: 1\n"})
    (tmp_path / "a.yaml").symlink_to("nowhere")
    os.mkfifo(tmp_path / "c.yaml")
    assert lines_of(tmp_path, settings) == [
        "a.yaml: cannot be read: No such file or directory; make it readable, or remove it",
        "b.yaml:1:7: urls: must be a list; write one `- address: https://example.com/` a line under it",
        "c.yaml: is not a regular file; remove it from the folder",
    ]


def test_paths_start_in_the_folder(tmp_path: Path, settings: Settings) -> None:
    written(tmp_path, {"a.yaml": f"{A}    authorization: {{credentials_file: token}}\n", "token": "hunter2\n"})
    [target] = targets_of(tmp_path, settings)
    assert target.sending.authorization == "Bearer hunter2"


def test_sources_know_their_targets_and_files(tmp_path: Path, settings: Settings) -> None:
    files = {
        "a.yaml": f"{A}  - address: https://c.example/\n",
        "b.yaml": "defaults: {interval: 4}\n",
        "c.yaml": f"{B}    authorization: {{credentials_file: token}}\n    name: '${{NAME}}'\n",
        "token": "hunter2",
    }
    folder = written(tmp_path, files)
    sources, targets, *_ = load_sources(replace(settings, config_file=folder), {"NAME": "name"})
    assert [(source.path.name, source.first_index, len(source.entries)) for source in sources] == [
        ("a.yaml", 0, 2),
        ("b.yaml", 2, 0),
        ("c.yaml", 2, 1),
    ]
    assert sources[1].defaults == {"interval": 4}
    last = sources[2]
    assert targets[last.first_index].name == last.entries[0]["name"] == "name"
    assert last.is_substituted(("urls", 0, "name"))
    [file] = last.named_files()
    assert (file.path, file.where, file.is_secret) == (
        tmp_path / "token",
        "urls[0].authorization.credentials_file",
        True,
    )
    assert str(file.place) == f"{tmp_path}/c.yaml:3:39"
    assert str(last.place_of(("urls", 0, "name"), key=True)) == f"{tmp_path}/c.yaml:4:5"


@pytest.mark.parametrize("key", ["config", "password_file", "ca_file", "POSTGRES_PASSWORD_FILE"])
def test_a_pipe_does_not_block(tmp_path: Path, key: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    entries = {
        "config": "",
        "password_file": f"basic_auth: {{username: u, password_file: {pipe}}}",
        "ca_file": f"tls_config: {{ca_file: {pipe}}}",
        "POSTGRES_PASSWORD_FILE": "",
    }
    config = tmp_path / "c.yaml"
    config.write_text(f"urls:\n  - address: https://a.example/\n    {entries[key]}\n")
    variables = {"CONFIG_FILE_PATH": str(pipe if key == "config" else config)}
    if key == "POSTGRES_PASSWORD_FILE":
        variables[key] = str(pipe)
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(tmp_path / ".env", variables)
    [mistake] = caught.value.mistakes
    assert "pipe" in mistake.text
    assert pipe in caught.value.files


def test_the_files_of_a_refused_configuration_are_known(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("urls:\n  - address: https://a.example/\n    basic_auth: {username: u, password_file: late.pw}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(tmp_path / ".env", {"CONFIG_FILE_PATH": str(config)})
    assert caught.value.files == (tmp_path / ".env", config, tmp_path / "late.pw")


def test_an_unreadable_config_causes_no_complaints_about_unused_keys(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("CONFIG_FILE_PATH=gone.yaml\nTOKEN=x\n")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(env_file, {})
    [mistake] = caught.value.mistakes
    assert mistake.where == "CONFIG_FILE_PATH"
