"""MultiConnection: an OpenAI-compatible API gateway with prepaid billing."""
