"""Everything that runs the product on one machine: servers, seeds, management commands."""
