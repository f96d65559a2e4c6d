#!/bin/bash
# Does what the entrypoint of the official postgres image does for the settings that tests use:
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB (each also as ..._FILE), POSTGRES_HOST_AUTH_METHOD,
# POSTGRES_INITDB_ARGS, PGDATA and the *.sql and *.sh files in /docker-entrypoint-initdb.d.
set -euo pipefail

# Sets the variable NAME from the file that NAME_FILE names, or to a default.
from_file_or_default() {
    local name=$1 default=$2 file_name="$1_FILE"
    if [[ -n ${!file_name:-} ]]; then
        [[ -z ${!name:-} ]] || { echo "both $name and $file_name are set (but are exclusive)" >&2; exit 1; }
        printf -v "$name" '%s' "$(<"${!file_name}")"
    fi
    printf -v "$name" '%s' "${!name:-$default}"
    export "${name?}"
}

initialise() {
    # shellcheck disable=SC2086  # several arguments in one variable
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
        --auth-local=trust --auth-host="$POSTGRES_HOST_AUTH_METHOD" ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
    printf "\nlisten_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
}

run_script() {
    case $1 in
        *.sh) bash "$1" ;;
        *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --file="$1" ;;
    esac
}

# The server for the set-up listens on its socket alone, so that nobody takes it for the real one.
set_up_database() {
    local script
    pg_ctl --wait --options="-c listen_addresses=''" start
    if [[ $POSTGRES_DB != postgres ]]; then
        createdb --username="$POSTGRES_USER" --maintenance-db=postgres -- "$POSTGRES_DB"
    fi
    for script in /docker-entrypoint-initdb.d/*; do
        [[ ! -f $script ]] || run_script "$script"
    done
    pg_ctl --wait --mode=fast stop
    echo 'PostgreSQL init process complete; ready for start up.'
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
[[ ${1:-} == postgres ]] || exec "$@"

if [[ $(id -u) == 0 ]]; then
    mkdir -p "$PGDATA"
    chown --recursive postgres: "$PGDATA"
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
fi

if [[ ! -s $PGDATA/PG_VERSION ]]; then
    from_file_or_default POSTGRES_PASSWORD ''
    from_file_or_default POSTGRES_USER postgres
    from_file_or_default POSTGRES_DB "$POSTGRES_USER"
    from_file_or_default POSTGRES_HOST_AUTH_METHOD scram-sha-256
    if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
        echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
        exit 1
    fi
    initialise
    set_up_database
fi
exec "$@"
