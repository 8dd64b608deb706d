"""Sizes are written in one way in messages, on pages and on the command line."""

from __future__ import annotations

import pytest
from django.template.defaultfilters import filesizeformat

from apps.core.sizes import exact_size_text, size_text
from corral_cli.sizes import size_text as size_text_of_command_line

SIZES = [1024, 1536, 64 << 20, 19_456 << 20, 20_480 << 20, 123_456_789, 3 << 40]


@pytest.mark.parametrize("size", SIZES)
def test_a_message_a_page_and_the_command_line_write_a_size_alike(size: int) -> None:
    assert size_text(size) == size_text_of_command_line(size) == filesizeformat(size).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (12, "12 bytes"),
        (6 << 20, "6.0 MB"),
        ((6 << 20) - 1, "6,291,455 bytes"),
        (1536 << 20, "1.5 GB"),
        (2 << 40, "2.0 TB"),
    ],
)
def test_where_two_sizes_are_compared_nothing_is_rounded_away(size: int, text: str) -> None:
    assert exact_size_text(size) == text
