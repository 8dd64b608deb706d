"""Which passwords are accepted."""

from __future__ import annotations

from django.contrib.auth.password_validation import UserAttributeSimilarityValidator, validate_password
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.core.errors import Invalid

MAX_PASSWORD_LENGTH = 1024


class NameSimilarityValidator(UserAttributeSimilarityValidator):
    """Refuses passwords that are nearly the account's own login name or name, or a word of it."""

    def __init__(self) -> None:
        super().__init__(user_attributes=("login", "name"))

    def get_error_message(self) -> str:
        """The message, the same for both attributes."""
        return "The password is too similar to the account's log-in name or name; choose another."


def password_check(password: str, user: User | None = None, *, field: str = "password") -> None:
    """Refuse, with `Invalid` at `field`, a password that the policy does not accept."""
    if len(password) > MAX_PASSWORD_LENGTH or "\0" in password:
        raise Invalid(
            field, "InvalidFormat", f"A password has at most {MAX_PASSWORD_LENGTH} characters, and no NUL among them."
        )
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(field, "InvalidFormat", " ".join(error.messages)) from None
