#!/bin/sh
# Waits until HOST:PORT accepts TCP connections, then becomes COMMAND.
#
# A container of the application starts faster than the PostgreSQL next to it; this bridges the gap.
# Exits 1 when nothing accepted a connection in time, 2 when called wrongly, 127 without netcat;
# otherwise the exit code is that of COMMAND.
set -u

readonly USAGE='usage: wait-for-it.sh HOST:PORT [-t SECONDS] -- COMMAND [ARGUMENT ...]'
readonly ATTEMPT_SECONDS=2
readonly PAUSE_SECONDS=1

say() {
    printf 'wait-for-it.sh: %s\n' "$1" >&2
}

usage_error() {
    say "$1"
    printf '%s\n' "$USAGE" >&2
    exit 2
}

is_number() {
    case $1 in
        '' | *[!0-9]* | ??????*) return 1 ;;
    esac
}

# Everything that takes time runs in the background, for two reasons: a shell handles a signal only
# between foreground commands, and as process 1 of a container it ignores one that it does not handle.
child=
run_interruptibly() {
    "$@" >/dev/null 2>&1 &
    child=$!
    wait "$child"
}

end_by_signal() {
    trap - TERM INT HUP
    say "ended by a signal while waiting for $target"
    # The child may be gone already.
    [ -z "$child" ] || kill "$child" 2>/dev/null
    exit "$1"
}

# nc bounds the connection with -w, but not the look-up of the name: timeout bounds both.
takes_connections() {
    run_interruptibly timeout $((ATTEMPT_SECONDS * 2)) nc -z -w "$ATTEMPT_SECONDS" "$host" "$port"
}

target=
timeout_seconds=30
while [ $# -gt 0 ]; do
    case $1 in
        --)
            shift
            break
            ;;
        -t)
            [ $# -ge 2 ] || usage_error '-t needs a number of seconds'
            timeout_seconds=$2
            shift 2
            ;;
        -*) usage_error "unknown option $1" ;;
        *)
            [ -z "$target" ] || usage_error "unexpected argument $1 (is -- missing before the command?)"
            target=$1
            shift
            ;;
    esac
done

[ -n "$target" ] || usage_error 'HOST:PORT is missing'
[ $# -gt 0 ] || usage_error 'the command is missing'
host=${target%:*}
port=${target##*:}
# An IPv6 address is in brackets, so that its colons are not mistaken for the port's.
case $host in
    '['*']')
        host=${host#'['}
        host=${host%']'}
        ;;
    *:*) usage_error "$target is not HOST:PORT (write an IPv6 address as [ADDRESS]:PORT)" ;;
esac
case $target in
    *:*) ;;
    *) usage_error "$target is not HOST:PORT" ;;
esac
[ -n "$host" ] || usage_error "$target has no host"
{ is_number "$port" && [ "$port" -ge 1 ] && [ "$port" -le 65535 ]; } || usage_error "$port is not a port"
{ is_number "$timeout_seconds" && [ "$timeout_seconds" -ge 1 ]; } ||
    usage_error "-t $timeout_seconds is not a number of seconds from 1 to 99999"

if ! command -v nc >/dev/null; then
    say 'nc is not installed (Debian package netcat-openbsd)'
    exit 127
fi

trap 'end_by_signal 143' TERM
trap 'end_by_signal 130' INT
trap 'end_by_signal 129' HUP

say "waiting up to $timeout_seconds s for $target"
started_at=$(date +%s)
until takes_connections; do
    elapsed_seconds=$(($(date +%s) - started_at))
    if [ "$elapsed_seconds" -ge "$timeout_seconds" ]; then
        say "timeout: $target took no connection within $timeout_seconds s"
        exit 1
    fi
    run_interruptibly sleep "$PAUSE_SECONDS"
done
say "$target takes connections"
exec "$@"
