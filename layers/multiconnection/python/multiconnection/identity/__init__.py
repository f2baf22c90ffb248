"""Users who sign in with a browser: sign-up, sign-in, sessions, second factors, the user pool."""
