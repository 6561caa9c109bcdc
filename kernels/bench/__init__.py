"""The benchmark of the two operations; start it with bench.py."""
