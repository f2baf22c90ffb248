"""Bodies and answers of the browser's API."""

from collections.abc import Mapping

_KEY = {
    "id*": "str",
    "name*": "str",
    "prefix*": "str",
    "last4*": "str",
    "created*": "time",
    "last_used*": "time?",
    "unused_since*": "time?",
    "replaced*": "bool",
    "status*": "active|disabled|expired",
    "expires_at*": "time?",
    "budget*": "money?",
    "budget_left*": "money?",
    "requests_per_minute*": "int?",
    "tokens_per_minute*": "int?",
    "models*": "[str]",
    "ips*": "[str]",
    "kind*": "api|session",
}


def _page(of: str) -> dict[str, str]:
    return {"object*": "str", "data*": f"[{of}]", "next_cursor*": "str?"}


ACCOUNT_SCHEMAS: Mapping[str, Mapping[str, str]] = {
    "Key": _KEY,
    "Status": {"status": "str"},
    "Email": {"email*": "str"},
    "Code": {"code*": "str"},
    "Confirmation": {"email*": "str", "code*": "str", "password*": "str"},
    "SignUp": {"email*": "str", "password*": "str", "name": "str"},
    "Credentials": {"email*": "str", "password*": "str"},
    "TotpAnswer": {"session*": "str", "code*": "str"},
    "NewPassword": {"session*": "str", "password*": "str"},
    "PasswordReset": {"email*": "str", "code*": "str", "password*": "str"},
    "PasswordChange": {"current*": "str", "new*": "str"},
    "TotpSetup": {"secret*": "str", "otpauth_url*": "str"},
    "TotpDisable": {"password": "str", "code": "str"},
    "User": {
        "email*": "str",
        "name*": "str",
        "account_id*": "str",
        "is_admin*": "bool",
        "totp_enabled*": "bool",
        "created*": "time",
    },
    "SignedIn": {"user": "User", "status": "totp_required|new_password_required", "session": "str"},
    "Site": {"base_url*": "str", "legal_entity*": "str", "test_credit*": "money", "status*": "[ProviderStatus]"},
    "ProviderStatus": {"provider*": "str", "state*": "ok|degraded|down|unknown"},
}
