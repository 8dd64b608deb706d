"""Gives the managed networks the groups of their policies."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from apps.network.policies import PolicyPart, PolicySource
from apps.stacks.network_policy.reach import policy_part
from apps.stacks.network_policy.reading import fingerprints, read_members


class ServicePolicySource(PolicySource):
    """Services and their links, as they are in the tables: what is desired opens the way before it runs."""

    def fingerprints(self, environments: Collection[int]) -> Mapping[int, str]:
        """Counts and sums of what groups are made from."""
        return fingerprints(environments)

    def policies(self, modes: Mapping[int, str]) -> Mapping[int, PolicyPart]:
        """The policy of each environment."""
        return {key: policy_part(members, modes[key]) for key, members in read_members(modes.keys()).items()}
