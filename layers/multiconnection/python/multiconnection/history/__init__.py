"""Usage rows as customers see them."""
