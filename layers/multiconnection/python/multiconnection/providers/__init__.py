"""Upstream dialects: requests, event streams, usage, errors."""
