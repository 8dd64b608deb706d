"""Which passwords are taken."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.core.errors import Invalid

LONGEST = 1024


def password_check(password: str, user: User | None = None, *, field: str = "password") -> None:
    """Refuse, with `Invalid` at `field`, a password that the policy does not take."""
    if len(password) > LONGEST or "\0" in password:
        raise Invalid(field, "InvalidFormat", f"A password has at most {LONGEST} characters, and no NUL among them.")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(field, "InvalidFormat", " ".join(error.messages)) from None
