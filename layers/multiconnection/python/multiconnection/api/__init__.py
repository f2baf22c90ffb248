"""HTTP: app factory, dependencies, error handlers, routes."""
