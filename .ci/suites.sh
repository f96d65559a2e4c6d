# shellcheck shell=bash disable=SC2154  # .ci/run sets what is not set here
# Runs suites of tests in fresh clones, and reruns failed tests. Sourced by .ci/run.

# With more failed tests, none is rerun: they are not flaky.
readonly MAX_ONCE_MORE=20
# From tests/containers/make_images.sh.
readonly SID_IMAGE=watcher-stand-in/debian:sid

# Makes a fresh clone, as a user would have it: without files that git does not know.
fresh_clone() {
    git clone -q "$project" "$1"
}

# Prints the README's command that runs the tests, for an interpreter.
readme_test_command() {
    local command
    command=$(grep -E '^python3 -m venv .*pytest$' README.md)
    echo "${command/python3/"$1"}"
}

# Prints the same command without the tests themselves.
readme_install_command() {
    local command
    command=$(readme_test_command "$1")
    echo "${command% && .venv/bin/pytest}"
}

# Three ways to run a command in a clone.
as_root() {
    (cd "$1" && bash -euc "$2" </dev/null)
}

as_ordinary_user() {
    (
        cd "$1" || exit
        setpriv --reuid nobody --regid nogroup --clear-groups \
            env HOME="$work/home" DOCKER_HOST=unix:///nonexistent PATH=/usr/local/bin:/usr/bin:/bin \
            bash -euc "$2" </dev/null
    )
}

# Also as an ordinary user; every path is the same inside.
in_sid() {
    docker run --rm --init --name "$sid_container" --network host --user nobody:nogroup \
        --env HOME=/tmp --env PYTEST_ADDOPTS --env DOCKER_HOST=unix:///nonexistent \
        --volume "$1:$1" --volume "$work/results:$work/results" --workdir "$1" "$SID_IMAGE" bash -euc "$2" </dev/null
}

# Runs pytest, and records a suite with failed tests; any other error ends the lane.
#
# usage: suite NAME RUNNER CLONE COMMAND SELECTION
# RUNNER is one of the three above, COMMAND ends in pytest, SELECTION is pytest's selection of tests.
suite() {
    local name=$1 runner=$2 clone=$3 command=$4 selection=$5 results status=0
    results=$(results_of "$name")
    mkdir -p "$results"
    chmod 777 "$results"
    PYTEST_ADDOPTS="$(pytest_options "$results" first.xml)" "$runner" "$clone" "$command $selection" || status=$?
    if [ "$status" -eq 1 ] && [ -e "$results/first.xml" ]; then
        printf '%s\t%s\t%s\t%s\n' "$name" "$runner" "$clone" "$selection" >>"$work/failed"
    elif [ "$status" -ne 0 ]; then
        echo "$name: exit code $status, which is not from a failing test"
        return "$status"
    fi
}

# The same, but no test may be skipped.
suite_without_skips() {
    suite "$@"
    if ! grep -q ' skipped="0"' "$(results_of "$1")/first.xml"; then
        echo "$1: no test may be skipped"
        return 1
    fi
}

# Prints the folder for the results of a suite, outside its clone, which has only files that git knows.
results_of() {
    echo "$work/results/${1//[^A-Za-z0-9.]/-}"
}

pytest_options() {
    echo "-o cache_dir=$1/cache -o junit_family=xunit1 --junit-xml=$1/$2"
}

# Reruns the tests that failed, by themselves; fails if one fails again.
once_more() {
    local name runner clone selection results status=0
    if [ ! -e "$work/failed" ]; then return; fi
    while IFS=$'\t' read -r -u 4 name runner clone selection; do
        results=$(results_of "$name")
        step "once more: what failed in $name"
        if [ "$(.ci/failures.py --names "$results/first.xml" | wc -l)" -gt "$MAX_ONCE_MORE" ]; then
            echo "more than $MAX_ONCE_MORE tests failed: they are not flaky"
            status=1
        elif PYTEST_ADDOPTS="$(pytest_options "$results" again.xml)" "$runner" "$clone" \
            ".venv/bin/pytest --last-failed --last-failed-no-failures none $selection"; then
            { echo; echo "flaky: failed in $name, and passed when run once more:"; .ci/failures.py "$results/first.xml"; } \
                >>"$work/flaky"
        else
            status=1
        fi
    done 4<"$work/failed"
    return "$status"
}
