"""Every key of `.env`, in one table: for those who read it, who explain it, and who take over a change of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watcher.config.env import http_values
from watcher.config.env import settings_values as values
from watcher.config.schema.limits import SHORTEST_INTERVAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of `.env`.

    Attributes:
        key: as users write it.
        field: its name in `Settings`.
        default: as users would write it; None for none.
        meaning: for users, in Markdown.
        parse: text to what `Settings` holds; a ValueError's message is what follows the value in an error line.
        reloads: whether a running daemon takes a change over; it must be started anew where not. What throws away
            what is kept does so at a start only, not when a file is saved while somebody types.
        mandatory: whether there must be a value.
        secret: whether the value may be shown to nobody.
    """

    key: str
    field: str
    default: str | None
    meaning: str
    parse: Callable[[str], Any]
    reloads: bool = True
    mandatory: bool = False
    secret: bool = False


SETTINGS = (
    Setting(
        "CONFIG_FILE_PATH",
        "config_file",
        None,
        "path of the file of what to watch, or of a folder of such files",
        Path,
        mandatory=True,
    ),
    Setting(
        "POSTGRES_HOST",
        "postgres_host",
        None,
        "unset: the daemon runs its own PostgreSQL. Set: it connects there (a name, an address, or the folder of a"
        " unix socket; several with commas between them where it may be on any of them, as behind Patroni)",
        values.hosts,
        reloads=False,
    ),
    Setting(
        "POSTGRES_PORT",
        "postgres_ports",
        "5432",
        "its port, from 1 to 65535; one for all hosts, or one for each, with commas between them",
        values.ports,
        reloads=False,
    ),
    Setting(
        "POSTGRES_TARGET_SESSION_ATTRS",
        "postgres_target_session_attrs",
        None,
        f"what the server must be, in libpq's words: {' '.join(f'`{word}`' for word in values.SESSION_ATTRS)}; by"
        " default `read-write` where there are several hosts, and `any` where there is one",
        values.session_attrs,
        reloads=False,
    ),
    Setting(
        "POSTGRES_USER",
        "postgres_user",
        "postgres",
        "as for the official `postgres` image; the embedded database needs none of these three",
        str,
        reloads=False,
    ),
    Setting("POSTGRES_PASSWORD", "postgres_password", "postgres", "", str, reloads=False, secret=True),
    Setting("POSTGRES_DB", "postgres_db", "monitordb", "", str, reloads=False),
    Setting(
        "POSTGRES_SSLMODE",
        "postgres_sslmode",
        "prefer",
        f"libpq's meaning: {' '.join(f'`{mode}`' for mode in values.SSL_MODES)}",
        values.ssl_mode,
        reloads=False,
    ),
    Setting(
        "POSTGRES_SSLROOTCERT",
        "postgres_sslrootcert",
        None,
        "file of the authorities that may sign its certificate, for `verify-ca` and `verify-full`; by default that of"
        " `PGSSLROOTCERT` in the environment, or `~/.postgresql/root.crt`",
        values.file,
        reloads=False,
    ),
    Setting(
        "POSTGRES_SSLCERT",
        "postgres_sslcert",
        None,
        "file of a certificate to show to it; by default that of `PGSSLCERT`, or `~/.postgresql/postgresql.crt`",
        values.file,
        reloads=False,
    ),
    Setting(
        "POSTGRES_SSLKEY",
        "postgres_sslkey",
        None,
        "file of the key to that; by default that of `PGSSLKEY`, or `~/.postgresql/postgresql.key`",
        values.file,
        reloads=False,
    ),
    Setting("MAX_WORKERS", "max_workers", "10", "checks in flight at once", values.count),
    Setting(
        "MIN_INTERVAL_VAL",
        "min_interval_seconds",
        "2",
        f"the shortest `interval` that may be written, in seconds; {SHORTEST_INTERVAL_SECONDS:g} at least",
        values.seconds,
    ),
    Setting(
        "MAX_INTERVAL_VAL",
        "max_interval_seconds",
        "10",
        "the longest; the shipped file raises it to 3600",
        values.seconds,
    ),
    Setting(
        "WATCHER_DATA_DIR",
        "data_dir",
        "data",
        "the embedded database, the outbox, locks, the heartbeat; one daemon a folder",
        values.path,
        reloads=False,
    ),
    Setting(
        "WATCHER_LOG_FILE",
        "log_file",
        "monitor.log",
        "the log of successes; when it is moved away, as by logrotate, a new one is begun. `/dev/stdout` may be one,"
        " too, as for `docker logs`",
        values.path,
    ),
    Setting(
        "WATCHER_LOG_FORMAT",
        "log_format",
        "text",
        "of that log and of stderr: `text` for people, `json` for machines, one object a line",
        values.log_format,
    ),
    Setting(
        "WATCHER_LOCATION",
        "location",
        "default",
        "where this daemon stands; stored with each failure",
        values.location,
        reloads=False,
    ),
    Setting(
        "WATCHER_REPLICA",
        "replica",
        None,
        "the name of this daemon among others that share its location, in a database of yours; by default that of its"
        " machine with four digits, which is kept in the file `replica` of WATCHER_DATA_DIR",
        values.replica,
        reloads=False,
    ),
    Setting(
        "WATCHER_KEEP_FAILURES",
        "keep_failures_seconds",
        "400d",
        f"how long failures are kept in PostgreSQL, from `{values.MIN_KEEP_DAYS}d` to `{values.MAX_KEEP_DAYS}d`",
        values.keep_seconds,
        reloads=False,
    ),
    Setting(
        "WATCHER_OUTBOX_MAX_BYTES",
        "outbox_max_bytes",
        "1073741824",
        "the most that the outbox on disk may take while PostgreSQL is away;"
        f" {values.MIN_OUTBOX_BYTES} (16 MiB) at least",
        values.outbox_bytes,
        reloads=False,
    ),
    Setting(
        "WATCHER_OUTBOX_MAX_AGE",
        "outbox_max_age_seconds",
        "7d",
        f"the longest that something may wait in it, from `{values.MIN_OUTBOX_HOURS}h` to `{values.MAX_OUTBOX_DAYS}d`,"
        " for which the rollups of minutes are kept",
        values.outbox_seconds,
        reloads=False,
    ),
    Setting(
        "WATCHER_OUTBOX_KEEP_STORED",
        "outbox_keep_stored_seconds",
        "1m",
        "how long it keeps what PostgreSQL has stored, up to `1h`, to send it again where that is lost, as when a"
        " standby takes over",
        values.keep_stored_seconds,
        reloads=False,
    ),
    Setting(
        "WATCHER_RELOAD",
        "reload_on_change",
        "on",
        "`on`: a change of the files is taken over by itself; `off`: only on SIGHUP",
        values.on_or_off,
    ),
    Setting(
        "WATCHER_HTTP",
        "http",
        "127.0.0.1:8080",
        "where the daemon answers over HTTP: `HOST:PORT`, `unix:/path`, or `off` for nowhere",
        http_values.http_address,
        reloads=False,
    ),
    Setting(
        "WATCHER_HTTP_URL",
        "http_url",
        None,
        "the address under which people reach that, as behind a proxy; it may have a path",
        http_values.http_url,
        reloads=False,
    ),
    Setting(
        "WATCHER_HTTP_USER",
        "http_user",
        None,
        "user of basic auth, for people; with the password, whatever is served needs it",
        http_values.user_name,
        reloads=False,
    ),
    Setting("WATCHER_HTTP_PASSWORD", "http_password", None, "", http_values.password, reloads=False, secret=True),
    Setting(
        "WATCHER_HTTP_TOKEN",
        "http_token",
        None,
        f"bearer token, for machines; {http_values.MIN_TOKEN_CHARS} characters at least",
        http_values.token,
        reloads=False,
        secret=True,
    ),
    Setting(
        "WATCHER_HTTP_PUBLIC",
        "http_public",
        "off",
        "`on`: reading needs no auth, and shows no addresses and details to whoever has none",
        values.on_or_off,
        reloads=False,
    ),
    Setting(
        "WATCHER_HTTP_HOSTS",
        "http_hosts",
        None,
        "names, with commas between, that the header `Host` may have beside `localhost`, IP addresses, and that of"
        " `WATCHER_HTTP_URL`",
        http_values.host_names,
        reloads=False,
    ),
    Setting(
        "WATCHER_HTTP_TRUSTED_PROXIES",
        "http_trusted_proxies",
        None,
        "addresses or networks, with commas between, of proxies whose `X-Forwarded-For`, `-Host` and `-Proto` are"
        " believed",
        http_values.networks,
        reloads=False,
    ),
    Setting(
        "WATCHER_METRICS_TARGETS",
        "metrics_targets",
        "on",
        "`off` leaves the series of each target out of `/metrics`",
        values.on_or_off,
        reloads=False,
    ),
)

# Each key with its default; None means unset.
DEFAULTS: dict[str, str | None] = {setting.key: setting.default for setting in SETTINGS}
# The fields of `Settings`, with the keys that they come from.
KEY_OF_FIELD: dict[str, str] = {setting.field: setting.key for setting in SETTINGS}
# A change of these is only taken over by a start.
RESTART_KEYS: frozenset[str] = frozenset(setting.key for setting in SETTINGS if not setting.reloads)
