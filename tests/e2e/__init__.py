"""The whole local stack, called as a customer calls it."""
