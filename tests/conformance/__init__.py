"""Expressions: one suite for every driver of the store."""
