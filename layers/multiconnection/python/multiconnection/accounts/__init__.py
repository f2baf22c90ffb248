"""Accounts and their owners' profiles."""
