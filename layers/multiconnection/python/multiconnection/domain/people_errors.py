"""What only people in browsers are answered: sign-up, sign-in, sessions."""

from .errors import AccessDenied, RequestInvalid, Unauthenticated, Unavailable


class CodeInvalid(RequestInvalid):
    """A code from a mail or an authenticator app is wrong, used or too old; which of them is not told."""

    code = "code_invalid"


class PasswordTooWeak(RequestInvalid):
    code = "password_too_weak"


class SessionRequired(Unauthenticated):
    code = "session_required"


class SessionExpired(Unauthenticated):
    """There was a session, and it cannot be renewed."""

    code = "session_expired"


class SignInFailed(Unauthenticated):
    """A wrong password, an unknown or an unconfirmed address: one identical answer."""

    code = "sign_in_failed"


class CsrfFailed(AccessDenied):
    """A browser's unsafe request that does not show that it comes from our own pages."""

    code = "csrf_failed"


class IdentityUnavailable(Unavailable):
    """The identity provider, or the count of attempts, could not be asked."""

    code = "identity_unavailable"
