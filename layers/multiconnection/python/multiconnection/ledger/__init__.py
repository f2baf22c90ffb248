"""The money protocol: reserve, decide, apply, sweep, credit, reconcile."""
