"""Deterministic simulation of the real ledger: one seed decides every delay, fault and crash."""
