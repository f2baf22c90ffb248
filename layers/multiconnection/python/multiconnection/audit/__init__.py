"""The log of the actions of administrators and operators."""
