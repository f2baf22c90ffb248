"""People who sign in: the user pool, sessions, second factors."""
