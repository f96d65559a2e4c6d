"""The command line: compares programs; its commands measure the rest."""

from benchmarks.assignment import assignment
from benchmarks.children import end_on_signals
from benchmarks.compare import compare
from benchmarks.lateness import lateness, reload
from benchmarks.queries import queries
from benchmarks.rest import rest
from benchmarks.scale import scale
from benchmarks.storage import storage
from benchmarks.web import web

if __name__ == "__main__":
    end_on_signals()
    for command in (lateness, reload, web, rest, scale, storage, queries, assignment):
        compare.add_command(command)
    compare(prog_name="python -m benchmarks")
