# shellcheck shell=bash disable=SC2154  # .ci/run sets what is not set here
# The steps of a run: announced when they start, and listed with their times at the end. Sourced by .ci/run.

lane= # the lane of this shell, empty outside lanes

# Starts a step. The output of a lane is kept back, so the step is announced in the run's output at once.
step() {
    printf '%d\t%s\t%s\n' "$SECONDS" "$lane" "$1" >>"$work/steps"
    printf '\n== %s (after %d s)\n' "$1" "$SECONDS"
    if [ -n "$lane" ]; then printf '== %s: %s (after %d s)\n' "$lane" "$1" "$SECONDS" >&3; fi
}

# Ends the last step, at the end of a lane or before lanes start.
end_of_step() {
    printf '%d\t%s\t\n' "$SECONDS" "$lane" >>"$work/steps"
}

# Prints a line for each step, in the order of their starts; a step lasts until the next of its lane.
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
