"""Pure rules without I/O: money, keys, prices, bounds, limits, errors."""
