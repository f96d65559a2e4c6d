"""Measures the cost of a check: watcher beside other programs that do the same work at the same rate, on one core.

See `python -m benchmarks --help`. `workload.py` defines the work, `programs.py` the programs, and `measure.py` the
measurement.
"""
