#!/usr/bin/env bash
# Writes constraints.txt: one exact version of every installed package, for every supported Python and platform.
#
# usage: .ci/make_constraints.sh            after a change in setup.cfg; fitting versions stay
#        .ci/make_constraints.sh --upgrade  takes the newest versions
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q uv
"$work/venv/bin/uv" pip compile -q "$@" --universal --python-version 3.11 --all-extras setup.cfg \
    --custom-compile-command .ci/make_constraints.sh --output-file constraints.txt
