"""The network policy in words, and what each one would cut off now."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from apps.network.environment_networks import network_of
from apps.network.policies import ALL, LINKED, STACK
from apps.stacks.network_policy.preview import LostReach, PolicyPreview, preview_policies

MAX_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PolicyWords:
    """A policy as people read it."""

    mode: str
    label: str | Promise
    meaning: str | Promise


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """A policy that can be chosen, and what it would change; `preview` is None for the one that there is."""

    words: PolicyWords
    preview: PolicyPreview | None

    @property
    def shown(self) -> tuple[LostReach, ...]:
        """As many services as fit on a page."""
        return self.preview.losing[:MAX_SHOWN] if self.preview else ()

    @property
    def hidden(self) -> int:
        """How many services there are besides."""
        return max(0, len(self.preview.losing) - MAX_SHOWN) if self.preview else 0


WORDS = (
    PolicyWords(ALL, gettext_lazy("All containers"), gettext_lazy("every container reaches every other")),
    PolicyWords(
        LINKED,
        gettext_lazy("Linked services only"),
        gettext_lazy("containers reach their own service and the services that it links to, balancers their targets"),
    ),
    PolicyWords(
        STACK,
        gettext_lazy("Same stack only"),
        gettext_lazy("containers reach their own stack, and services of other stacks that theirs links to"),
    ),
)


def policy_words(environment_id: int) -> PolicyWords:
    """The policy of an environment."""
    mode = network_of(environment_id).policy
    return next(each for each in WORDS if each.mode == mode)


def policy_choices(environment_id: int, current: str) -> list[PolicyChoice]:
    """All policies, with what they would change."""
    others = [each.mode for each in WORDS if each.mode not in {current, ALL}]
    previews = preview_policies(environment_id, current, others)
    return [PolicyChoice(each, previews.get(each.mode)) for each in WORDS]
