"""Balances, credits and adjustments."""
