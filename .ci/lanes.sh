# shellcheck shell=bash disable=SC2154  # .ci/run sets what is not set here
# Lanes that run side by side, each with its output in a file of its own. Sourced by .ci/run.

# Longer than any run takes; a lane that hangs would otherwise never show what it has printed.
readonly LANES_SECONDS=1800
# pytest, when interrupted, takes down what its fixtures have set up.
readonly STOP_SECONDS=30

declare -A lane_of=() # by process id, those that run

# Runs each lane, a function of that name, and prints what it has printed when it ends. One that fails stops the others.
run_lanes() {
    local name finished watchdog status=0
    end_of_step
    set -m # each lane is a group of processes, which can be stopped as a whole
    for name in "$@"; do
        (
            # shellcheck disable=SC2034  # of .ci/steps.sh
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
            printf '\n== the lanes have not ended within %d s\n' "$LANES_SECONDS"
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
        printf '\n== lane %s is stopped\n' "${lane_of[$pid]}"
        kill -INT -- "-$pid" 2>/dev/null || true
        for ((waited = 0; waited < STOP_SECONDS; waited++)); do
            if ! kill -0 -- "-$pid" 2>/dev/null; then break; fi
            sleep 1
        done
        kill -KILL -- "-$pid" 2>/dev/null || true
        print_lane "$pid" 130
    done
}
