"""What the gateway costs, measured beside a bare pass-through in the same run; see docs/benchmarks.md."""
