"""Revenue and reconciliation."""
