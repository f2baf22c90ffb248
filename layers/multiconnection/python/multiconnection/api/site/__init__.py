"""The pages: assets with hashed names, templates, headers, and the OpenAPI document."""
