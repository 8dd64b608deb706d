"""What a reconcile returns: its progress."""

from __future__ import annotations

import pytest

from apps.core.result import percent


@pytest.mark.parametrize(
    ("done", "total", "expected"), [(0, 0, 0), (1, 3, 33), (3, 3, 100), (-1, 0, 0), (-2, 5, 0), (3, 1, 100)]
)
def test_progress_stays_within_a_hundred(done: int, total: int, expected: int):
    assert percent(done, total) == expected
