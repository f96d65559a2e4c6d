"""The limits of configured values, shared by validation, the editors' schema and the documentation."""

from __future__ import annotations

MAX_NAME_CHARS = 200  # an entry of a PostgreSQL index is limited to some 2,700 bytes

SHORTEST_INTERVAL_SECONDS = 0.01
MAX_RETRIES = 100
MAX_THRESHOLD = 1000
# Of one check.
MAX_REDIRECTS = 100

# Of one target; each location stores its own view.
MAX_LOCATIONS = 50

# The bound of one body in memory; there may be MAX_WORKERS of them at once.
MAX_BODY_LIMIT_BYTES = 100 * 1024 * 1024
MAX_JSON_PATH_CHARS = 1000
# The bound of an expected JSON value: aliases can turn a short file into an endless tree.
MAX_JSON_NODES = 10_000

# For the status page; the logo is kept in memory.
MAX_INTRO_CHARS = 1000
MAX_LOGO_BYTES = 256 * 1024

# For alerts. A longer span is a typing error, and arithmetic with times must not overflow.
MAX_SPAN_SECONDS = 400 * 86400.0
MAX_DELIVERY_TIMEOUT_SECONDS = 300.0
MAX_TEMPLATE_CHARS = 10_000
MAX_DESCRIPTION_CHARS = 1000
MAX_LABELS = 50
SHORTEST_LOOK_SECONDS = 1.0

PROXY_SCHEMES = ("http", "socks5", "socks5h")
