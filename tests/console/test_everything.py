"""The list over all environments: what one may see, filters that are kept, and actions with a summary."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from apps.accounts.saved_filters import SavedFilter
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.stacks.models import Service, Stack
from apps.stacks.services import stack_create
from tests.console.page_costs import fill, queries

ALL = reverse("console:everything")


@pytest.fixture
def far(web: Service, actor_of: Any) -> Stack:
    """A stack of an environment of alice alone."""
    other = environment_create(actor=actor_of("alice"), name="Other")
    return stack_create(actor=actor_of("alice"), environment=other, name="far")


def names(page: Any) -> list[str]:
    return [f"{environment}/{row.name}" for row, environment in page.context["entries"]]


def test_everything_that_one_may_see_is_listed(browser_as: Any, web: Service, container: Container, far: Stack):
    client = browser_as("alice")
    assert sorted(names(client.get(ALL))) == ["Lab/shop", "Other/far"]
    assert names(client.get(ALL, {"kind": "hosts"})) == ["Lab/h1"]
    assert f"Lab/{container.name}" in names(client.get(ALL, {"kind": "containers"}))
    assert names(browser_as("rita").get(ALL)) == ["Lab/shop"]
    assert "Other" not in browser_as("rita").get(ALL).content.decode()
    assert names(browser_as("mallory").get(ALL)) == []
    assert sorted(names(browser_as("root").get(ALL))) == ["Lab/shop", "Other/far"]


def test_it_is_filtered(browser_as: Any, lab: Environment, web: Service, far: Stack):
    client = browser_as("alice")
    assert names(client.get(ALL, {"env": lab.pk})) == ["Lab/shop"]
    assert names(client.get(ALL, {"q": "fa"})) == ["Other/far"]
    assert names(client.get(ALL, {"q": "web"})) == ["Lab/shop"], "by the name of a service"
    assert names(client.get(ALL, {"kind": "containers", "q": "bb:local", "state": "running"})) != []
    assert names(client.get(ALL, {"q": "nothing", "kind": "nonsense"})) == []
    assert names(browser_as("rita").get(ALL, {"env": far.environment_id})) == []


def test_filters_are_kept_for_each_account(browser_as: Any, web: Service, people: Any):
    client, address = browser_as("alice"), reverse("console:everything-save")
    done = client.post(address, {"name": "Mine", "query": "kind=hosts&q=h1"})
    assert (done.status_code, done["Location"]) == (302, f"{ALL}?kind=hosts&q=h1")
    assert [each.name for each in client.get(ALL).context["saved"]] == ["Mine"]
    assert browser_as("bob").get(ALL).context["saved"] == []
    client.post(address, {"name": "Mine", "query": "q=x"})
    assert SavedFilter.objects.get().query == "q=x"
    fragment = {"HX-Request": "true"}
    assert client.post(address, {"name": "x" * 61}, headers=fragment).status_code == 422
    assert client.post(address, {"name": " "}, headers=fragment).status_code == 422
    client.post(address, {"name": "Mine", "forget": "1"})
    assert not SavedFilter.objects.exists()


def test_many_stacks_are_acted_on_after_a_summary(browser_as: Any, web: Service, far: Stack):
    client = browser_as("alice")
    sent = {"action": "deactivate", "row": [web.stack_id, far.pk]}
    shown = client.post(reverse("console:everything-summary"), sent)
    assert (shown.context["done"], shown.context["refused"]) == (1, 1)
    text = shown.content.decode()
    assert "stops 1 of 1 service" in text
    assert f'name="row" value="{far.pk}"' not in text, "what cannot be is not asked for"
    web.refresh_from_db()
    assert web.desired == "active"
    done = client.post(reverse("console:everything-act"), sent)
    web.refresh_from_db()
    assert (web.desired, done.context["done"], done.context["refused"]) == ("inactive", 1, 1)


def test_nothing_foreign_or_unknown_is_acted_on(browser_as: Any, web: Service, far: Stack):
    client, fragment = browser_as("bob"), {"HX-Request": "true"}
    for address in ("everything-summary", "everything-act"):
        url = reverse(f"console:{address}")
        assert client.post(url, {"action": "remove", "row": [web.stack_id, far.pk]}).context["done"] == 1
        assert client.post(url, {"action": "remove"}, headers=fragment).status_code == 422
        assert client.post(url, {"action": "explode", "row": [far.pk]}, headers=fragment).status_code == 404
        assert client.get(url).status_code in {404, 405}
    far.refresh_from_db()
    assert far.desired == "active"
    too_many = client.post(
        reverse("console:everything-act"), {"action": "remove", "row": list(range(1, 300))}, headers=fragment
    )
    assert too_many.status_code == 422


def test_more_rows_take_no_more_queries(browser_as: Any, lab: Environment, host: Any, web: Service):
    client = browser_as("alice")
    for kind in ("stacks", "containers", "hosts"):
        before = queries(client, f"{ALL}?kind={kind}")
        fill(lab, host, stacks=2, each=2)
        Stack.all_objects.filter(name__startswith="s", environment=lab).exclude(name="shop").delete()
        fill(lab, host, stacks=3, each=2)
        assert queries(client, f"{ALL}?kind={kind}") == before
        Stack.all_objects.exclude(pk=web.stack_id).delete()
