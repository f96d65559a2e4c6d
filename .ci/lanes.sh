# shellcheck shell=bash disable=SC2154  # .ci/run sets what is not set here
# Runs lanes side by side, each with its output in its own file. Sourced by .ci/run.

# Longer than any run takes; otherwise the output of a lane that hangs would never be printed.
readonly LANES_SECONDS=1800
# After an interrupt, pytest needs this long to tear down its fixtures.
readonly STOP_SECONDS=15

declare -A lane_of=() # the running lanes, by process id

# Runs lanes, which are functions, and prints the output of each when it ends. A failing lane stops the others.
run_lanes() {
    local name finished watchdog status=0
    end_of_step
    set -m # each lane is a process group, which can be stopped as a whole
    for name in "$@"; do
        (
            # shellcheck disable=SC2034  # used in .ci/steps.sh
            lane=$name
            "$name"
            end_of_step
        ) 3>&1 >"$work/$name.log" 2>&1 </dev/null &
        lane_of[$!]=$name
    done
    sleep "$LANES_SECONDS" &
    watchdog=$!
    set +m
    while [ ${#lane_of[@]} -gt 0 ]; do
        wait -n -p finished "${!lane_of[@]}" "$watchdog" || status=$?
        if [ "$finished" = "$watchdog" ]; then
            printf '\n== the lanes did not end within %d s\n' "$LANES_SECONDS"
            status=1
        else
            print_lane "$finished" "$status"
        fi
        if [ "$status" -ne 0 ]; then stop_lanes; fi
    done
    kill "$watchdog" 2>/dev/null || true
    return "$status"
}

print_lane() {
    printf '\n==== lane %s, exit code %d\n' "${lane_of[$1]}" "$2"
    cat "$work/${lane_of[$1]}.log"
    unset "lane_of[$1]"
}

stop_lanes() {
    local pid waited
    for pid in "${!lane_of[@]}"; do
        printf '\n== stopping lane %s\n' "${lane_of[$pid]}"
        kill -INT -- "-$pid" 2>/dev/null || true
        for ((waited = 0; waited < STOP_SECONDS; waited++)); do
            if ! kill -0 -- "-$pid" 2>/dev/null; then break; fi
            sleep 1
        done
        kill -KILL -- "-$pid" 2>/dev/null || true
        print_lane "$pid" 130
    done
}
