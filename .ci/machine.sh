# shellcheck shell=bash disable=SC2154  # .ci/run sets what is not set here
# Prepares the machine: Debian's packages, a Docker engine, Pythons. Sourced by .ci/run.

dockerd_pid=

install_packages() {
    local package missing=()
    local wanted=(
        python3 python3-venv git ca-certificates shellcheck util-linux iproute2 procps
        docker.io docker-compose debootstrap iptables netcat-openbsd # tests/containers
        apache2-bin caddy chromium etcd-server fish mount nginx pgbouncer # tests/peers
        prometheus prometheus-alertmanager prometheus-blackbox-exporter systemd # tests/peers
    )
    for package in "${wanted[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        local apt=(apt-get -q -o DPkg::Lock::Timeout=300)
        "${apt[@]}" update
        DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
    fi
}

start_docker() {
    if docker info >/dev/null 2>&1; then return; fi
    dockerd ${DOCKER_HOST:+--host "$DOCKER_HOST"} >"$work/dockerd.log" 2>&1 &
    dockerd_pid=$!
    for _ in $(seq 60); do
        if docker info >/dev/null 2>&1; then return; fi
        sleep 1
    done
    echo 'dockerd did not start; its log ends in:'
    tail -n 20 "$work/dockerd.log"
    return 1
}

stop_docker() {
    if [ -z "$dockerd_pid" ]; then return; fi
    kill "$dockerd_pid" || true
    wait "$dockerd_pid" || true
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# Prints an interpreter of a version: Debian's own, in PATH or in pyenv; nothing if there is none.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 "$(command -v "python$1" || true)" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/"python$1"; do
        if [ -x "$candidate" ] && [ "$(version_of "$candidate" 2>/dev/null)" = "$1" ] &&
            "$candidate" -c 'import ensurepip' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}
