"""Unit tests of the money protocol, step by step."""
