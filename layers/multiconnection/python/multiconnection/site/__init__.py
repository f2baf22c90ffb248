"""The pages: home, prices, docs, console."""
