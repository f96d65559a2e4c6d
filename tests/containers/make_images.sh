#!/bin/bash
# Provides the two base images of docker-compose.yml, also where no image registry can be reached; or an image of
# Debian sid, which has the newest Python.
#
# An image that is there already is kept, one that can be pulled is pulled. Otherwise a stand-in is made of
# Debian's packages and tagged with the name of the real one; it carries the label watcher.stand-in=true.
# Package sources, certificates and pip's settings are those of the machine that this runs on, which has to
# be a Debian system (of any architecture, with debootstrap) and this to be root.
#
# usage: make_images.sh [sid]
# PULL_TIMEOUT_SECONDS bounds each pull (default 60).
set -euo pipefail

readonly PYTHON_IMAGE=python:3.13-slim-bookworm
readonly POSTGRES_IMAGE=postgres:17-bookworm
readonly DEBIAN_IMAGE=watcher-stand-in/debian:bookworm
readonly SUITE=bookworm
readonly SID_IMAGE=watcher-stand-in/debian:sid
readonly PULL_TIMEOUT_SECONDS=${PULL_TIMEOUT_SECONDS:-60}
readonly CA_BUNDLE=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp --directory)
trap 'rm -rf -- "$scratch"' EXIT

say() {
    printf 'make_images.sh: %s\n' "$1"
}

is_present() {
    docker image inspect "$1" >/dev/null 2>&1
}

# Debian's package sources of this machine, in apt's one-line form: they work for a container as they are.
apt_sources() {
    # shellcheck disable=SC2016  # apt fills in the fields, not the shell
    apt-get indextargets --format 'deb $(SITE) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
        awk -v suite="^$SUITE(-|\$)" '$3 ~ suite' | sort --unique
}

# The settings of pip that mean the same in a container: no folders of this machine.
pip_configuration() {
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n'
    # An environment variable wins over a file and is listed first; a key may stand in a file only once.
    python3 -m pip config list 2>/dev/null |
        sed -nE "s/^(:env:|global)\.(index-url|extra-index-url|trusted-host|proxy|timeout|default-timeout)='(.*)'\$/\2 = \3/p" |
        sed 's/^default-timeout /timeout /' |
        awk '!/file:/ && !seen[$1]++' || true
}

# As in Debian's own images: no caches of apt, no documentation, and no fsync after every file.
write_size_settings() {
    local tree=$1
    cat >"$tree/etc/apt/apt.conf.d/docker-clean" <<'END'
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
END
    cat >"$tree/etc/dpkg/dpkg.cfg.d/docker" <<'END'
force-unsafe-io
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
END
}

# Prints where Debian's packages come from on this machine.
find_mirror() {
    local mirror
    mirror=$(apt_sources | awk -v suite="$SUITE" '$3 == suite && !found { print $2; found = 1 }')
    [[ -n $mirror ]] || { say "apt knows no source of Debian $SUITE on this machine" >&2; exit 1; }
    printf '%s\n' "$mirror"
}

# Installs a SUITE of Debian, with more packages where they are named, into a folder.
bootstrap() {
    local suite=$1 tree=$2 packages=${3:-} mirror
    mirror=$(find_mirror)
    say "debootstrap of $suite"
    if ! debootstrap --variant=minbase ${packages:+--include="$packages"} "$suite" "$tree" "$mirror" \
        >"$scratch/debootstrap.log" 2>&1; then
        tail --lines=20 "$scratch/debootstrap.log" >&2
        say "Debian $suite cannot be had" >&2
        exit 1
    fi
}

make_debian_image() {
    ! is_present "$DEBIAN_IMAGE" || return 0
    local tree="$scratch/debian"
    bootstrap "$SUITE" "$tree"
    apt_sources >"$tree/etc/apt/sources.list"
    # How apt reaches its sources (a proxy, for example) is part of them.
    apt-config dump | grep -E '^Acquire::https?::' >"$tree/etc/apt/apt.conf.d/90machine" || true
    write_size_settings "$tree"
    import_tree "$tree" "$DEBIAN_IMAGE"
}

# Makes an image out of a folder, without what apt has downloaded.
import_tree() {
    local tree=$1 image=$2
    rm -rf -- "$tree"/var/cache/apt/*.bin "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
    tar --create --numeric-owner --directory="$tree" . |
        docker import --change 'LABEL watcher.stand-in=true' - "$image" >/dev/null
}

make_sid_image() {
    local tree="$scratch/sid"
    # Named by its version: sid's own Python will be a later one some day.
    bootstrap sid "$tree" python3.14,python3.14-venv,ca-certificates
    cp -- "$CA_BUNDLE" "$tree/etc/ssl/certs/ca-certificates.crt"
    pip_configuration >"$tree/etc/pip.conf"
    import_tree "$tree" "$SID_IMAGE"
}

# A CPython 3.13 that is not the system's can be moved: it finds its library next to itself.
find_cpython() {
    local executable prefix
    for executable in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13 \
        /usr/local/bin/python3.13 /opt/*/bin/python3.13; do
        [[ -x $executable ]] || continue
        prefix=$("$executable" -c 'import sys; print(sys.base_prefix)') || continue
        [[ -x $prefix/bin/python3.13 && -d $prefix/lib/python3.13 ]] || continue
        printf '%s\n' "$prefix"
        return
    done
}

# Copies what the real image has of CPython: no tests, no static library, no packages installed by hand.
copy_cpython() {
    local prefix=$1 destination=$2
    mkdir -p "$destination"/bin "$destination"/lib "$destination"/include
    cp --preserve=mode "$prefix/bin/python3.13" "$destination/bin/"
    cp --no-dereference --preserve=mode,links "$prefix"/lib/libpython3*.so* "$destination/lib/" 2>/dev/null || true
    cp --recursive "$prefix/include/python3.13" "$destination/include/"
    tar --create --directory="$prefix/lib" --exclude=__pycache__ --exclude='*.a' \
        --exclude=python3.13/test --exclude=python3.13/idlelib --exclude='python3.13/site-packages/*' \
        --exclude='_tkinter.*' python3.13 | tar --extract --directory="$destination/lib"
    # The settings for building extensions name the old place.
    { grep --recursive --files-with-matches --fixed-strings --null "$prefix" \
        --include='_sysconfigdata*.py' --include=Makefile "$destination/lib/python3.13" || true; } |
        xargs --null --no-run-if-empty sed --in-place "s|$prefix|/usr/local|g"
}

# Builds IMAGE from a folder of stand_ins/, with the machine's certificates and pip's settings beside it.
build_image() {
    local image=$1 context=$2
    cp -- "$CA_BUNDLE" "$context/ca-certificates.crt"
    pip_configuration >"$context/pip.conf"
    if ! docker build --force-rm --tag "$image" "$context" >"$scratch/build.log" 2>&1; then
        tail --lines=30 "$scratch/build.log" >&2
        return 1
    fi
}

make_python_image() {
    local context="$scratch/python" prefix
    cp --recursive "$here/stand_ins/python" "$context"
    mkdir "$context/cpython"
    prefix=$(find_cpython)
    if [[ -n $prefix ]]; then
        say "$PYTHON_IMAGE: a stand-in out of the CPython in $prefix"
        copy_cpython "$prefix" "$context/cpython"
        build_image "$PYTHON_IMAGE" "$context" && return
        say 'that CPython does not work there'
        rm -rf -- "$context/cpython"
        mkdir "$context/cpython"
    fi
    say "$PYTHON_IMAGE: a stand-in out of Debian's own Python"
    build_image "$PYTHON_IMAGE" "$context"
}

make_postgres_image() {
    local context="$scratch/postgres"
    cp --recursive "$here/stand_ins/postgres" "$context"
    say "$POSTGRES_IMAGE: a stand-in out of Debian's own PostgreSQL"
    build_image "$POSTGRES_IMAGE" "$context"
}

provide() {
    local image=$1 make_stand_in=$2
    if is_present "$image"; then
        say "$image is there"
    elif timeout "$PULL_TIMEOUT_SECONDS" docker pull --quiet "$image" >/dev/null 2>"$scratch/pull.log"; then
        say "$image was pulled"
    else
        say "$image cannot be pulled: $(tail --lines=1 "$scratch/pull.log")"
        make_debian_image
        "$make_stand_in"
    fi
}

docker version >/dev/null
if [[ ${1:-} == sid ]]; then
    if ! is_present "$SID_IMAGE"; then make_sid_image; fi
    exit
fi
provide "$PYTHON_IMAGE" make_python_image
provide "$POSTGRES_IMAGE" make_postgres_image
