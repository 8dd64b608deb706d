"""The life cycles of accounts and API keys (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import generic

ACCOUNT = generic("account", "admin")
API_KEY = generic("apiKey", "keys", restore=False)
