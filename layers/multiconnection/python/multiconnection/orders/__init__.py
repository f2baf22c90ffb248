"""Recharge orders, from the form to the credit."""
