"""Every link in a response leads somewhere."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("who", ["alice", "rita", "root"])
def test_every_link_of_every_listed_resource_answers(api_of: Any, lab: Any, stack: Any, who: str):
    caller = api_of(who)
    followed = set()
    for place in (caller.inside(lab), caller):
        for link in place.get("").body["links"].values():
            found = place.get(link)
            assert found.status == 200, (link, found.body)
            for each in (found.body.get("data") or [])[:1]:
                for name, url in each.get("links", {}).items():
                    answer = place.get(url)
                    assert answer.status == 200, (url, answer.body)
                    followed.add((each["type"], name))
    assert {kind for kind, _name in followed} >= {"project", "host", "container", "environment", "service", "schema"}
