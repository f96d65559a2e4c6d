# The build stage: only the virtual environment and wait-for-it.sh of it reach the image.
FROM python:3.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

# The environment needs no pip of its own: that of the base image installs into it.
RUN python -m venv --without-pip /opt/watcher

WORKDIR /build

# The dependencies come first, with an empty package in place of the real one: this layer, by far the slowest, is
# rebuilt only when the requirements change.
COPY pyproject.toml setup.cfg constraints.txt ./
RUN mkdir watcher \
    && echo '__version__ = "0"' > watcher/__init__.py \
    && pip --python /opt/watcher/bin/python install -c constraints.txt . \
    && rm -r watcher build *.egg-info

COPY . .
RUN pip --python /opt/watcher/bin/python install --no-deps --force-reinstall . \
    # After a checkout under a strict umask, only root could run the script.
    && chmod 0755 wait-for-it.sh


FROM python:3.13-slim-bookworm

# wait-for-it.sh needs netcat.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends netcat-openbsd \
    && rm -rf /var/lib/apt/lists/*

# The data folder belongs to the user in the image, so that a new named volume, which copies it, is writable.
RUN groupadd --gid 10001 watcher \
    && useradd --uid 10001 --gid watcher --home-dir /var/lib/watcher --no-create-home \
        --shell /usr/sbin/nologin watcher \
    && install --directory --owner=watcher --group=watcher --mode=0750 /var/lib/watcher

COPY --from=build /opt/watcher /opt/watcher
COPY --from=build /build/wait-for-it.sh /app/wait-for-it.sh

ENV PATH=/opt/watcher/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CONFIG_FILE_PATH=/app/config/config.yaml \
    WATCHER_DATA_DIR=/var/lib/watcher \
    WATCHER_LOG_FILE=/var/lib/watcher/monitor.log

WORKDIR /app
# A number, so that an orchestrator sees without the image's /etc/passwd that it is not root.
USER 10001:10001
VOLUME ["/var/lib/watcher"]

# The daemon's loop touches the file every two seconds: so a process that hangs is detected too.
# The start period covers the wait for the database.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD heartbeat=$(stat -c %Y "$WATCHER_DATA_DIR/heartbeat") && [ $(($(date +%s) - heartbeat)) -lt 15 ] || exit 1

# The exec form: a signal reaches the daemon itself, not a shell around it.
CMD ["watcher", "run"]
