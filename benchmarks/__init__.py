"""Measures the cost of a check: watcher beside other programs that do the same work at the same rate, on one core.

See `python -m benchmarks --help`. The work is defined in `workload.py`, the programs in `programs.py`, the measurement
in `measure.py`.
"""
