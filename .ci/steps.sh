# shellcheck shell=bash disable=SC2154  # .ci/run sets what is not set here
# The steps of a run: said when they begin, and listed with the time of each at the end. Sourced by .ci/run.

lane= # the name of the lane that this shell runs, empty outside of any

# Begins a step. In a lane, whose output is kept back, the run says so at once.
step() {
    printf '%d\t%s\t%s\n' "$SECONDS" "$lane" "$1" >>"$work/steps"
    printf '\n== %s (after %d s)\n' "$1" "$SECONDS"
    if [ -n "$lane" ]; then printf '== %s: %s (after %d s)\n' "$lane" "$1" "$SECONDS" >&3; fi
}

# Ends the last step, at the end of a lane, or where lanes come.
end_of_step() {
    printf '%d\t%s\t\n' "$SECONDS" "$lane" >>"$work/steps"
}

# A line a step, in the order in which they began; a step lasts until the next of its lane.
table_of_steps() {
    awk -F '\t' -v now="$SECONDS" '
        $2 in open { seconds[open[$2]] = $1 - began[open[$2]]; delete open[$2] }
        $3 != "" { began[++steps] = $1; name[steps] = $3; of[steps] = $2; open[$2] = steps }
        END {
            printf "\n%8s  %-6s  %s\n", "seconds", "lane", "step"
            for (lane in open) seconds[open[lane]] = now - began[open[lane]]
            for (i = 1; i <= steps; i++) printf "%8d  %-6s  %s\n", seconds[i], of[i], name[i]
            printf "%8d  %-6s  %s\n", now, "", "in all"
        }' "$work/steps"
}
