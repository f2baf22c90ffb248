"""/api: what a browser with a session, or nobody in particular, can call."""

from .operation import Operation


def _auth(name: str, summary: str, body: str | None, answer: str | None, status: int = 200, *errors: int) -> Operation:
    return Operation(
        "POST", f"/api/auth/{name}", "Sign-in", summary, "public", body, answer, status, errors=(400, *errors, 403, 429)
    )


def _own(
    method: str, path: str, tag: str, summary: str, answer: str | None, body: str | None = None, status: int = 200
) -> Operation:
    found = (404, 409) if "{" in path and method != "GET" else (404,) if "{" in path else ()
    errors = (400, 404, 409) if body else found
    return Operation(method, path, tag, summary, "session", body, answer, status, errors=errors)


ACCOUNT = (
    _auth("sign-up", "Create an account", "SignUp", "Status", 202),
    _auth("confirm", "Confirm an e-mail address, and set the password", "Confirmation", "Status"),
    _auth("resend", "Send the confirmation code again", "Email", "Status", 202),
    _auth("sign-in", "Start a session", "Credentials", "SignedIn", 200, 401),
    _auth("new-password", "Finish a first sign-in with a password of one's own", "NewPassword", "SignedIn", 200, 401),
    _auth("totp", "Finish a sign-in with a one-time code", "TotpAnswer", "SignedIn", 200, 401),
    _auth("forgot", "Ask for a password reset", "Email", "Status", 202),
    _auth("reset", "Set a new password with a code", "PasswordReset", "Status"),
    _own("POST", "/api/auth/sign-out", "Sign-in", "End this session", None, None, 204),
    _own("POST", "/api/auth/sign-out-everywhere", "Sign-in", "End all sessions", None, None, 204),
    _own("POST", "/api/auth/change-password", "Sign-in", "Change the password", None, "PasswordChange", 204),
    _own("POST", "/api/auth/totp/setup", "Sign-in", "Begin setting up one-time codes", "TotpSetup"),
    _own("POST", "/api/auth/totp/enable", "Sign-in", "Switch one-time codes on", None, "Code", 204),
    _own("POST", "/api/auth/totp/disable", "Sign-in", "Switch one-time codes off", None, "TotpDisable", 204),
    _own("GET", "/api/auth/session", "Sign-in", "Who is signed in", "SignedIn"),
)
