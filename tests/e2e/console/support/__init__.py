"""Browsers, the people who sit at them, and what a page must never do."""
