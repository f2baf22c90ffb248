"""Use cases, written against small ports."""
