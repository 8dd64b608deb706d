"""An issuer that the portal reaches, and a rule of the lab that trusts a repository."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.federation import issuer_store
from apps.federation.models import TrustRule
from apps.federation.services import trust_rule_create
from tests.federation.issuing import GITHUB, PORTAL, Issuer, MakeRule


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """An issuer called like GitHub's, which answers at once."""
    found = Issuer()
    monkeypatch.setattr(issuer_store, "fetch_issuer_keys", found.fetch)
    return found


@pytest.fixture
def make_rule(lab: Environment, actor_of: Any) -> MakeRule:
    """Makes a rule of the lab by its owner, or somebody else (`who`); what is not said is as usual."""

    def make(*, who: str = "alice", environment: Environment | None = None, **more: Any) -> TrustRule:
        given = {
            "name": "deploy",
            "issuer": GITHUB,
            "audience": PORTAL,
            "conditions": {"repository": "acme/shop", "ref": "refs/heads/main"},
            "role": "restricted",
            **more,
        }
        row = trust_rule_create(actor=actor_of(who), environment=environment or lab, **given)
        reconcile_until_idle()
        row.refresh_from_db()
        return row

    return make


@pytest.fixture
def rule(make_rule: MakeRule) -> TrustRule:
    """The branch main of acme/shop may have keys of the role restricted."""
    return make_rule()
