"""DynamoDB's expression language for the in-memory table: values, conditions, updates, key conditions.

Top-level attributes only, and the types S, N, BOOL, NULL, L and M: anything else raises NotImplementedError,
so that no expression is ever half-understood.
"""
