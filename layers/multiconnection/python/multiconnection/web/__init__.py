"""HTTP as every function speaks it: the app, its envelope, bodies and errors."""
