"""Edits that started from older values: what is refused, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.edits import BasedOn, StaleEdit, require_unchanged

NOW = {"name": "web", "scale": 2, "labels": {"a": "1"}}


@pytest.mark.parametrize(
    ("based_on", "wanted"),
    [
        (None, {"scale": 1}),
        (BasedOn(3, {"scale": 2}), {"scale": 1}),
        (BasedOn(3, {"scale": 1}), {"scale": 2}),
        (BasedOn(3), {"scale": 2}),
        (BasedOn(3, {"name": "old"}), {}),
        (BasedOn(3, {"name": "old", "scale": 2}), {"scale": 5}),
        (BasedOn(3, {"labels": {"a": "1"}}), {"labels": {}}),
    ],
    ids=["no basis", "as seen", "wanted already", "wanted already, unseen", "nothing", "another field", "a map"],
)
def test_an_edit_of_what_is_still_as_it_was_seen_passes(based_on: BasedOn | None, wanted: dict[str, Any]):
    require_unchanged("web", based_on, NOW, wanted)


@pytest.mark.parametrize("based_on", [BasedOn(3, {"scale": 1}), BasedOn(3), BasedOn(None, {"scale": 1})])
def test_an_edit_of_what_somebody_else_changed_is_refused_with_both_values(based_on: BasedOn):
    with pytest.raises(StaleEdit) as refusal:
        require_unchanged("web", based_on, NOW, {"scale": 7})
    assert [(each.field, each.current, each.wanted) for each in refusal.value.differences] == [("scale", 2, 7)]
    assert "scale is 2 now, you want 7" in refusal.value.message
    assert (refusal.value.status, refusal.value.field, refusal.value.detail) == (412, "scale", '{"scale": 2}')


def test_long_values_are_cut_in_the_message():
    with pytest.raises(StaleEdit) as refusal:
        require_unchanged("web", BasedOn(1), {"name": "x" * 9000}, {"name": "y" * 9000})
    assert len(refusal.value.message) < 500
