"""Models, prices, providers, and the bounds of what a call can cost."""
