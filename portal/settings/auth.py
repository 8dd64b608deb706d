"""Who may log in and how: the account model, the log-in backends, passwords and sessions."""

from __future__ import annotations

from portal.settings.env import env_bool

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "apps.accounts.providers.LocalBackend",
    "apps.accounts.providers.DirectoryBackend",
    "guardian.backends.ObjectPermissionBackend",
]
PASSWORD_HASHERS = [
    "apps.accounts.login.hashing.BoundedArgon2PasswordHasher",
    "apps.accounts.login.hashing.BoundedPBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "apps.accounts.login.password_policy.NameSimilarityValidator"},
]

LOGIN_URL = "/login"
SESSION_ENGINE = "apps.accounts.login.store"
SESSION_COOKIE_NAME = "corral_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = env_bool("HTTPS_ONLY", default=False)
SECURE_HSTS_SECONDS = 31_536_000 if SESSION_COOKIE_SECURE else 0  # browsers then never ask by plain HTTP again
CSRF_COOKIE_NAME = "corral_csrf"
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "apps.console.login.lost_cookies.refuse"

ANONYMOUS_USER_NAME = None
GUARDIAN_RAISE_403 = False
