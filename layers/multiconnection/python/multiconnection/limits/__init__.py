"""Rate limits of keys, accounts and addresses."""
