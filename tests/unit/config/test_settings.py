"""`.env` and the environment: defaults, precedence, and the error line of each mistake."""

from contextlib import chdir
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from watcher.config.env.http_values import HttpAddress
from watcher.config.env.settings import DEFAULTS, Settings, load_settings, read_settings
from watcher.config.mistakes import ConfigurationError, Place

BAD = Path(__file__).parent / "bad"
NO_FILE = Path("no such file")
MANDATORY = "is mandatory; set it to the path of the config file, as in CONFIG_FILE_PATH=config/config.yaml"


def lines_of(env_file: Path, variables: dict[str, str] | None = None) -> list[str]:
    """Read settings with mistakes, and return the error lines, with the file's name instead of its path."""
    _settings, mistakes = read_settings(env_file, variables or {})
    return [str(mistake).replace(str(env_file), env_file.name) for mistake in mistakes]


def written(folder: Path, content: bytes) -> Path:
    """Write a `.env`."""
    env_file = folder / ".env"
    env_file.write_bytes(content)
    return env_file


def test_the_defaults_are_those_of_the_contract() -> None:
    assert load_settings(NO_FILE, {"CONFIG_FILE_PATH": "config/config.yaml"}) == Settings(
        config_file=Path("config/config.yaml"),
        config_file_place=Place("environment"),
        postgres_user="postgres",
        postgres_password="postgres",
        postgres_db="monitordb",
        postgres_host=None,
        postgres_ports=(5432,),
        postgres_target_session_attrs=None,
        postgres_sslmode="prefer",
        postgres_sslrootcert=None,
        postgres_sslcert=None,
        postgres_sslkey=None,
        max_workers=10,
        min_interval_seconds=2,
        max_interval_seconds=10,
        data_dir=Path("data"),
        log_file=Path("monitor.log"),
        log_format="text",
        location="default",
        replica=None,
        keep_failures_seconds=400 * 86_400,
        outbox_max_bytes=2**30,
        outbox_max_age_seconds=7 * 86_400,
        outbox_keep_stored_seconds=60,
        reload_on_change=True,
        http=HttpAddress("127.0.0.1", 8080),
        http_url=None,
        http_user=None,
        http_password=None,
        http_token=None,
        http_public=False,
        http_hosts=(),
        http_trusted_proxies=(),
        metrics_targets=True,
    )


def test_every_key_of_the_file_is_read(tmp_path: Path) -> None:
    text = """\
# Settings of a test.
CONFIG_FILE_PATH=other.yaml
export POSTGRES_USER="a user"
POSTGRES_PASSWORD='p$w #"1'
POSTGRES_DB = sites
POSTGRES_HOST=db.example, db2.example
POSTGRES_PORT=05433
POSTGRES_TARGET_SESSION_ATTRS=primary
POSTGRES_SSLMODE=verify-full
POSTGRES_SSLCERT=both.pem
MAX_WORKERS=1000000   # as many as may be
MIN_INTERVAL_VAL=0.5
MAX_INTERVAL_VAL=3600
WATCHER_DATA_DIR=/var/lib/watcher
WATCHER_LOG_FILE=/var/log/monitor.log
WATCHER_LOG_FORMAT=json
WATCHER_LOCATION=Zürich
WATCHER_REPLICA=second from the left
WATCHER_KEEP_FAILURES=1d12h
WATCHER_OUTBOX_MAX_BYTES=17592186044416
WATCHER_OUTBOX_MAX_AGE=1h30m
WATCHER_OUTBOX_KEEP_STORED=0
WATCHER_RELOAD=off
WATCHER_HTTP=[::0001]:0
WATCHER_HTTP_URL=https://Bücher.example/seiten/
WATCHER_HTTP_USER=zoë
WATCHER_HTTP_PASSWORD=a:b
WATCHER_HTTP_TOKEN=0123456789abcdef
WATCHER_HTTP_PUBLIC=on
WATCHER_HTTP_HOSTS="Monitor.lan, status.example,"
WATCHER_HTTP_TRUSTED_PROXIES=10.0.0.1,10.1.2.3/16
WATCHER_METRICS_TARGETS=off
"""
    env_file = written(tmp_path, text.encode())
    assert load_settings(env_file, {}) == Settings(
        config_file=Path("other.yaml"),
        config_file_place=Place(str(env_file), 2, 1),
        postgres_user="a user",
        postgres_password='p$w #"1',
        postgres_db="sites",
        postgres_host="db.example,db2.example",
        postgres_ports=(5433,),
        postgres_target_session_attrs="primary",
        postgres_sslmode="verify-full",
        postgres_sslrootcert=None,
        postgres_sslcert="both.pem",
        postgres_sslkey=None,
        max_workers=1_000_000,
        min_interval_seconds=0.5,
        max_interval_seconds=3600,
        data_dir=Path("/var/lib/watcher"),
        log_file=Path("/var/log/monitor.log"),
        log_format="json",
        location="Zürich",
        replica="second from the left",
        keep_failures_seconds=1.5 * 86_400,
        outbox_max_bytes=2**44,
        outbox_max_age_seconds=5400,
        outbox_keep_stored_seconds=0,
        reload_on_change=False,
        http=HttpAddress("::1", 0),
        http_url="https://xn--bcher-kva.example/seiten",
        http_user="zoë",
        http_password="a:b",
        http_token="0123456789abcdef",
        http_public=True,
        http_hosts=("monitor.lan", "status.example"),
        http_trusted_proxies=(ip_network("10.0.0.1/32"), ip_network("10.1.0.0/16")),
        metrics_targets=False,
    )


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    env_file = written(tmp_path, b"CONFIG_FILE_PATH=file.yaml\nMAX_WORKERS=5\nPOSTGRES_DB=file\n")
    settings = load_settings(env_file, {"MAX_WORKERS": "6", "CONFIG_FILE_PATH": "real.yaml"})
    assert (settings.max_workers, settings.config_file, settings.postgres_db) == (6, Path("real.yaml"), "file")
    assert settings.config_file_place == Place("environment")


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    env_file = written(tmp_path, b"CONFIG_FILE_PATH=file.yaml\nMAX_WORKERS=\nPOSTGRES_HOST=\n")
    settings = load_settings(env_file, {"CONFIG_FILE_PATH": "", "POSTGRES_USER": ""})
    assert settings.config_file == Path("file.yaml")
    assert (settings.max_workers, settings.postgres_host, settings.postgres_user) == (10, None, "postgres")


def test_variables_of_other_programs_do_not_matter() -> None:
    variables = {"CONFIG_FILE_PATH": "c.yaml", "MAX_WORKER": "5", "PATH": "\udcff", "HOME": "\0"}
    assert read_settings(NO_FILE, variables)[1] == []


def test_keys_of_the_other_readers_of_the_file_may_stand_in_it(tmp_path: Path) -> None:
    others = b"COMPOSE_PROJECT_NAME=x\nPOSTGRES_INITDB_ARGS=x\nPGDATA=/x\nTZ=UTC\nLANG=C\nLC_ALL=C\nDOCKER_HOST=x\n"
    assert lines_of(written(tmp_path, b"CONFIG_FILE_PATH=c.yaml\n" + others)) == []


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfCONFIG_FILE_PATH=c.yaml", b"\r\nCONFIG_FILE_PATH=c.yaml\r\n# x\r\n"])
def test_a_file_from_windows_is_read(tmp_path: Path, content: bytes) -> None:
    assert load_settings(written(tmp_path, content), {}).config_file == Path("c.yaml")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("doubled_key.env", ["doubled_key.env:5:3: MAX_WORKERS: written twice, first in line 4; remove one"]),
        (
            "unknown_key.env",
            [
                "unknown_key.env:2:1: MAX_WORKER: unknown key, nothing reads it; did you mean MAX_WORKERS?",
                "unknown_key.env:3:1: ZZZ: unknown key, nothing reads it",
            ],
        ),
        (
            "not_key_value.env",
            [
                "not_key_value.env:2:1: this line is not KEY=value; mend or remove it",
                "not_key_value.env:3:1: this line is not KEY=value; mend or remove it",
            ],
        ),
        ("no_config_file.env", [f"no_config_file.env: CONFIG_FILE_PATH: {MANDATORY}"]),
        (
            "minimum_above_maximum.env",
            [
                "minimum_above_maximum.env:2:1: MIN_INTERVAL_VAL: 20 is above MAX_INTERVAL_VAL=10;"
                " lower it, or raise that one"
            ],
        ),
        (
            "many.env",
            [
                "many.env:1:1: MAX_INTERVAL_VAL: '0' is not a finite number above zero; write seconds, as in 10",
                "many.env:2:1: POSTGRES_PORT: 'http' is not a port; write a whole number from 1 to 65535, as in 5432",
                "many.env:3:1: MIN_INTERVAL_VAL: 'x' is not a number; write seconds, as in 10",
                "many.env:4:1: LOCATION: unknown key, nothing reads it",
                "many.env:6:1: MAX_WORKERS: '0' is not a whole number from 1 to 1000000;"
                " write how many checks may be in flight, as in 10",
                "many.env:8:1: POSTGRES_PASSWORD: written twice, first in line 7; remove one",
                "many.env:9:1: POSTGRES_SSLMODE: 'on' is not one of"
                " disable, allow, prefer, require, verify-ca, verify-full; write one of these",
            ],
        ),
    ],
)
def test_each_mistake_has_its_line(tmp_path: Path, name: str, lines: list[str]) -> None:
    (tmp_path / "config.yaml").touch()  # if it cannot be read, its keys are unknown
    with chdir(tmp_path):
        assert lines_of(BAD / name) == lines


@pytest.mark.parametrize("name", sorted(path.name for path in BAD.glob("*.env")))
def test_no_file_with_a_mistake_can_be_loaded(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(BAD / name, {})
    assert "hunter" not in str(caught.value)


NOT_SECONDS = "is not a number; write seconds, as in 10"
NOT_ABOVE_ZERO = "is not a finite number above zero; write seconds, as in 10"
NO_COUNT = "is not a whole number from 1 to 1000000; write how many checks may be in flight, as in 10"
NO_PORT = "is not a port; write a whole number from 1 to 65535, as in 5432"
NO_DURATION = "is not a duration; write one with a unit, as in 90s, 30m, 12h or 400d"
NO_KEEP = "is not from 1d to 36500d; write how long to keep, as in 400d"
NO_BYTES = (
    "is not a whole number from 16777216 (16 MiB) to 17592186044416 (16 TiB);"
    " write how many bytes the outbox may take, as in 1073741824"
)
TOO_OLD = "is above 7d, how long rollups of minutes are kept; write less"
KEPT_TOO_LONG = "is above 1h; write how long the outbox keeps entries that PostgreSQL has stored, as in 1m"
TOO_YOUNG = "is below 1h; write how long an entry may wait in the outbox, as in 7d"
NO_SSL_MODE = "is not one of disable, allow, prefer, require, verify-ca, verify-full; write one of these"

NO_HTTP_PORT = "does not end in a port from 0 to 65535; write HOST:PORT, as in 127.0.0.1:8080, or unix:/path, or off"
NO_HTTP_HOST = "has an invalid host; write HOST:PORT, as in 127.0.0.1:8080, or unix:/path, or off"
NO_HTTP_URL = "is not an http or https address; write one as in https://status.example"
NO_NETWORKS = (
    "is not a list of IP addresses; write addresses or networks with commas between, as in 10.0.0.1,10.1.0.0/16"
)


@pytest.mark.parametrize(
    ("key", "text", "values"),
    [
        ("MIN_INTERVAL_VAL", NOT_SECONDS, ["x", "5s", "1,5", "0x10", "--1"]),
        ("MIN_INTERVAL_VAL", NOT_ABOVE_ZERO, ["0", "-1", "nan", "inf", "-inf", "1e999", "-0.0"]),
        ("MAX_INTERVAL_VAL", NOT_SECONDS, ["ten"]),
        ("MAX_INTERVAL_VAL", NOT_ABOVE_ZERO, ["0"]),
        ("MAX_WORKERS", NO_COUNT, ["0", "-1", "1.5", "ten", "+1", "1_000", "1000001", "²", "٣"]),
        # Many digits and leading zeros must not pass the bound.
        ("MAX_WORKERS", NO_COUNT, ["00000000019999999", "9" * 30]),
        ("POSTGRES_PORT", NO_PORT, ["0", "65536", "-5432", "http", "54.32", "0000019999999", "5432,", "1,x"]),
        ("WATCHER_KEEP_FAILURES", NO_DURATION, ["ever", "1 d", "1y", "-1d", "nan", "1e9", "٣d"]),
        ("WATCHER_KEEP_FAILURES", NO_KEEP, ["0", "400", "23h", "86399.9", "36501d", "9" * 15]),
        ("WATCHER_OUTBOX_MAX_BYTES", NO_BYTES, ["0", "1GB", "1e9", "16777215", "17592186044417"]),
        ("WATCHER_OUTBOX_MAX_AGE", NO_DURATION, ["a week", "7D", "inf"]),
        ("WATCHER_OUTBOX_MAX_AGE", TOO_OLD, ["8d", "604800.1", "169h", "999999999d"]),
        ("WATCHER_OUTBOX_MAX_AGE", TOO_YOUNG, ["0s", "59m", "3599"]),
        ("WATCHER_OUTBOX_KEEP_STORED", NO_DURATION, ["ever", "-1s"]),
        ("WATCHER_OUTBOX_KEEP_STORED", KEPT_TOO_LONG, ["61m", "3600.1", "1d"]),
        ("WATCHER_HTTP", NO_HTTP_PORT, ["8080", "localhost", "127.0.0.1:", "127.0.0.1:65536", "on", "[::1]", "::1:x"]),
        ("WATCHER_HTTP", NO_HTTP_HOST, [":8080", "a b:80", "[]:80", "a..b:80"]),
        ("WATCHER_HTTP_URL", NO_HTTP_URL, ["status.example", "ftp://status.example", "https://"]),
        ("WATCHER_HTTP_TRUSTED_PROXIES", NO_NETWORKS, ["proxy", "10.0.0.1/33", "10.0.0.1 10.0.0.2"]),
        ("POSTGRES_SSLMODE", NO_SSL_MODE, ["on", "REQUIRE", "verify_full"]),
    ],
)
def test_a_bad_value_names_key_and_value(key: str, text: str, values: list[str]) -> None:
    lines = [lines_of(NO_FILE, {"CONFIG_FILE_PATH": "c.yaml", key: value}) for value in values]
    assert lines == [[f"environment: {key}: {value!r} {text}"] for value in values]


def test_a_user_without_a_password_and_a_short_token_are_reported_without_the_secrets() -> None:
    variables = {"CONFIG_FILE_PATH": "c.yaml", "WATCHER_HTTP_PASSWORD": "geheim", "WATCHER_HTTP_TOKEN": "kurz"}
    assert lines_of(NO_FILE, variables) == [
        "environment: WATCHER_HTTP_TOKEN: this is not at least 16 ASCII characters without blanks; make one with"
        " `openssl rand -hex 32`",
        "environment: WATCHER_HTTP_PASSWORD: has no effect without WATCHER_HTTP_USER; set both, or neither",
    ]


def test_an_unusable_tls_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    config = {"CONFIG_FILE_PATH": "c.yaml"}
    with chdir(tmp_path):
        [missing] = lines_of(NO_FILE, {**config, "POSTGRES_SSLROOTCERT": "none.pem"})
        [authority] = lines_of(NO_FILE, {**config, "POSTGRES_SSLROOTCERT": "no.pem"})
        [pair] = lines_of(NO_FILE, {**config, "POSTGRES_SSLCERT": "no.pem", "POSTGRES_SSLKEY": "no.pem"})
    assert missing == (
        "environment: POSTGRES_SSLROOTCERT: 'none.pem' cannot be read: No such file or directory;"
        " correct the path, or make the file"
    )
    assert authority.startswith("environment: POSTGRES_SSLROOTCERT: 'no.pem' has no certificates in PEM")
    assert pair.startswith("environment: POSTGRES_SSLCERT: 'no.pem' and its key cannot be used")


@pytest.mark.parametrize("unusable", ["\0", "\udcff"])
def test_a_value_that_nothing_can_take_is_named_without_itself(unusable: str) -> None:
    variables = {"CONFIG_FILE_PATH": "c.yaml"}
    lines = [lines_of(NO_FILE, {**variables, key: f"hunter2{unusable}"}) for key in DEFAULTS]
    text = "has a NUL, or a byte that is not UTF-8; write plain text"
    assert lines == [[f"environment: {key}: {text}"] for key in DEFAULTS]


def test_a_long_value_is_cut() -> None:
    [line] = lines_of(NO_FILE, {"CONFIG_FILE_PATH": "c.yaml", "MAX_WORKERS": "9" * 5000})
    assert line.startswith("environment: MAX_WORKERS: '99999")
    assert len(line) < 250


def test_a_value_with_line_breaks_breaks_no_line() -> None:
    [line] = lines_of(NO_FILE, {"CONFIG_FILE_PATH": "c.yaml", "MAX_WORKERS": "1\n2\x1b[2J"})
    assert line == rf"environment: MAX_WORKERS: '1\n2\x1b[2J' {NO_COUNT}"


def test_a_bound_alone_can_be_out_of_order() -> None:
    [line] = lines_of(NO_FILE, {"CONFIG_FILE_PATH": "c.yaml", "MAX_INTERVAL_VAL": "1"})
    text = "MIN_INTERVAL_VAL: 2 is above MAX_INTERVAL_VAL=1; lower it, or raise that one"
    assert line == f"no such file: {text}"


def test_the_bounds_may_be_equal() -> None:
    variables = {"CONFIG_FILE_PATH": "c.yaml", "MIN_INTERVAL_VAL": "5", "MAX_INTERVAL_VAL": "5"}
    assert load_settings(NO_FILE, variables).min_interval_seconds == 5


def test_without_a_config_file_there_are_no_settings() -> None:
    settings, [mistake] = read_settings(NO_FILE, {})
    hint = " (the file does not exist; `--env-file` names another)"
    assert settings is None
    assert str(mistake) == f"no such file: CONFIG_FILE_PATH: {MANDATORY}{hint}"


def test_a_missing_config_file_hides_no_other_mistake(tmp_path: Path) -> None:
    assert lines_of(written(tmp_path, b"MIN_INTERVAL_VAL=x\nZZZ=1\n")) == [
        f".env: CONFIG_FILE_PATH: {MANDATORY}",
        f".env:1:1: MIN_INTERVAL_VAL: 'x' {NOT_SECONDS}",
        ".env:2:1: ZZZ: unknown key, nothing reads it",
    ]


def test_a_file_that_is_not_utf_8_is_a_mistake(tmp_path: Path) -> None:
    [only] = lines_of(written(tmp_path, b"CONFIG_FILE_PATH=caf\xe9.yaml\n"))
    assert only == ".env:1:21: is not UTF-8; save the file as UTF-8"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    [first, _mandatory] = lines_of(tmp_path)
    assert first.endswith(": cannot be read: Is a directory; make it a readable file")


def test_the_password_is_in_no_repr(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, b"CONFIG_FILE_PATH=c.yaml\nPOSTGRES_PASSWORD=hunter2\n"), {})
    assert settings.postgres_password == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "postgres_user='postgres'" in repr(settings)


@pytest.mark.parametrize(
    "content",
    [
        b"POSTGRES_PASSWORD=hunter2\nPOSTGRES_PASSWORD=hunter3\n",
        b"POSTGRES_PASWORD=hunter2\n",
        b"POSTGRES_PASSWORD: hunter2\n",
        b"POSTGRES_PASSWORD hunter2\n",
        b"POSTGRES_PASSWORD='hunter2\n",
        b'POSTGRES_PASSWORD="hunter2\nMAX_WORKERS=x\n',
        b"POSTGRES_PASSWORD=hunter2\0\n",
    ],
)
def test_the_password_is_in_no_error(tmp_path: Path, content: bytes) -> None:
    lines = lines_of(written(tmp_path, b"CONFIG_FILE_PATH=c.yaml\n" + content))
    assert lines
    assert "hunter" not in "".join(lines)


keys = st.sampled_from([*DEFAULTS, "ZZZ", "export MAX_WORKERS"])
values = st.one_of(st.text(max_size=20), st.sampled_from(["10", "'", '"', "0", "1e9", "# x", "$X", "${", "\\"]))
env_lines = st.one_of(st.builds("{}={}".format, keys, values), st.text(max_size=20), keys)


@hypothesis_settings(deadline=None)  # a disk may be slow
@given(st.lists(env_lines), st.sampled_from(["\n", "\r\n", "\r", "\n\n", " "]))
def test_any_file_gives_settings_or_mistakes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str
) -> None:
    env_file = written(tmp_path_factory.getbasetemp(), end.join(lines).encode())
    settings, mistakes = read_settings(env_file, {})
    assert settings is not None or mistakes
    assert all(len(str(mistake).splitlines()) == 1 for mistake in mistakes)
    if settings is not None:
        assert settings.min_interval_seconds > 0
        assert 1 <= settings.max_workers <= 1_000_000
        assert all(1 <= port <= 65535 for port in settings.postgres_ports)


@given(st.dictionaries(st.sampled_from(list(DEFAULTS)), st.text(st.characters())))
def test_any_environment_gives_settings_or_mistakes(variables: dict[str, str]) -> None:
    settings, mistakes = read_settings(NO_FILE, variables)
    assert settings is not None or mistakes
    assert all(len(str(mistake).splitlines()) == 1 for mistake in mistakes)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("POSTGRES_HOST", "db:5432", "is not a list of hosts"),
        ("POSTGRES_HOST", "a,,b", "is not a list of hosts"),
        ("POSTGRES_PORT", "5432,5433", "has 2 ports for 1 host in POSTGRES_HOST"),
        ("POSTGRES_TARGET_SESSION_ATTRS", "leader", "is not one of any, read-write"),
        ("MIN_INTERVAL_VAL", "1e-300", "is below 0.01, the shortest interval"),
        ("WATCHER_LOCATION", "a\tb", "is not the name of a place"),
        ("WATCHER_LOCATION", "*", "stands for all places together"),
        ("WATCHER_REPLICA", "a\tb", "is not a name"),
        ("WATCHER_DATA_DIR", "a\nb", "has an unprintable character"),
        ("WATCHER_LOG_FILE", "a\x1bb", "has an unprintable character"),
    ],
)
def test_values_that_could_only_fail_later_are_refused(key: str, value: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^environment: {key}: .*{text}"):
        load_settings(Path("none"), {"CONFIG_FILE_PATH": "c.yaml", key: value})


@pytest.mark.parametrize(
    ("text", "seconds"), [("1d", 86_400), ("36500d", 3_153_600_000), ("24h", 86_400), ("86400", 86_400)]
)
def test_failures_may_be_kept_from_a_day_to_a_century(text: str, seconds: float) -> None:
    settings = load_settings(NO_FILE, {"CONFIG_FILE_PATH": "c.yaml", "WATCHER_KEEP_FAILURES": text})
    assert settings.keep_failures_seconds == seconds


@pytest.mark.parametrize(("text", "seconds"), [("1h", 3600), ("7d", 604_800), ("604800", 604_800), ("3600.0", 3600)])
def test_the_outbox_may_hold_an_hour_to_a_week(text: str, seconds: float) -> None:
    settings = load_settings(NO_FILE, {"CONFIG_FILE_PATH": "c.yaml", "WATCHER_OUTBOX_MAX_AGE": text})
    assert settings.outbox_max_age_seconds == seconds


def test_the_outbox_needs_16_mebibytes() -> None:
    settings = load_settings(NO_FILE, {"CONFIG_FILE_PATH": "c.yaml", "WATCHER_OUTBOX_MAX_BYTES": "16777216"})
    assert settings.outbox_max_bytes == 16 * 2**20


def test_an_ipv6_address_is_a_host() -> None:
    settings = load_settings(Path("none"), {"CONFIG_FILE_PATH": "c.yaml", "POSTGRES_HOST": "::1"})
    assert settings.postgres_host == "::1"
