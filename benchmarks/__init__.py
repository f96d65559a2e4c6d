"""What a check costs: watcher beside other programs that do the same work at the same rate, on one pinned core.

`python -m benchmarks --help` says how; `workload.py` says what the work is, `programs.py` who does it, and `measure.py`
what is measured.
"""
