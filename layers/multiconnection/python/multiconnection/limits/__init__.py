"""Rate limits of API keys, accounts and IP addresses, and quotas of the console and of sign-ins."""
