"""Bodies and answers of the browser's API."""

from collections.abc import Mapping

ACCOUNT_SCHEMAS: Mapping[str, Mapping[str, str]] = {
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
}
