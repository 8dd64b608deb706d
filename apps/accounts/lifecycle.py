"""The life cycles of accounts and API keys (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import default_lifecycle

ACCOUNT = default_lifecycle("account", "admin")
API_KEY = default_lifecycle("apiKey", "keys", restore=False)
