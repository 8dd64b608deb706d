"""Two spellings of a directory's name are compared without blanks around commas and equal signs."""

from __future__ import annotations

import pytest

from apps.accounts.claims import normalize_dn


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("CN=Ada Lovelace, OU = People ,DC=example", "cn=ada lovelace,ou=people,dc=example"),
        ("  1001 ", "1001"),
        ("", ""),
        (" , = ", ",="),
        ("cn=a\t,\n dc=b", "cn=a,dc=b"),
        ("a  b", "a  b"),
    ],
)
def test_the_normal_form(text: str, normal: str):
    assert normalize_dn(text) == normal
