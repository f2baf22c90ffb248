"""Payloads that are too large for a request."""
