"""API keys: their life, their secrets, and the caller behind a request."""
