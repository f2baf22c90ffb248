"""The OpenAPI document: operations and schemas as data, put together once per process."""
