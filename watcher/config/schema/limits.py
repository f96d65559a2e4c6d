"""The limits of what may be configured: the checks, the editors' schema and the page for users take them from here."""

from __future__ import annotations

MAX_NAME_CHARS = 200  # an index of PostgreSQL holds no more than some 2,700 bytes

SHORTEST_INTERVAL_SECONDS = 0.01
MAX_RETRIES = 100
MAX_THRESHOLD = 1000
# How many redirects may be followed in one check.
MAX_REDIRECTS = 100

# Of one target; each keeps a view of its own.
MAX_LOCATIONS = 50

# The bound of one body in memory; MAX_WORKERS of them may be there at once.
MAX_BODY_LIMIT_BYTES = 100 * 1024 * 1024
MAX_JSON_PATH_CHARS = 1000
# The bound of what may be compared with a value of a body: aliases can make a short file into an endless tree.
MAX_JSON_NODES = 10_000

# Of the status page; the logo is kept in memory.
MAX_INTRO_CHARS = 1000
MAX_LOGO_BYTES = 256 * 1024

# Of alerts. What lasts longer than the longest span is a slip of the pen, and arithmetic with times must have an end.
MAX_SPAN_SECONDS = 400 * 86400.0
MAX_DELIVERY_TIMEOUT_SECONDS = 300.0
MAX_TEMPLATE_CHARS = 10_000
MAX_DESCRIPTION_CHARS = 1000
MAX_LABELS = 50
SHORTEST_LOOK_SECONDS = 1.0

PROXY_SCHEMES = ("http", "socks5", "socks5h")
