"""DynamoDB's expression language for the in-memory table: values, conditions, updates, key conditions.

Top-level attributes only, and the types S, N, BOOL, NULL, L and M: what is beyond that raises NotImplementedError,
so that nothing is ever half-understood.
"""
