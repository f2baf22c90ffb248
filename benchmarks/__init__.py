"""Measures the cost of the gateway beside a bare pass-through in the same run; see docs/benchmarks.md."""
