"""The dialects of the API: v1, and v2-beta, in which a few types have other names and fields.

Rancher's later clients speak v2-beta only (docs/reference/v2-beta.md). Both are made from the same declarations: a type
is the same in both unless `apps.api.v2beta` declares what is different about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dialect:
    """`name` is the first segment of its URLs, `renamed` its words for types of v1.

    `shared` are the types that it has exactly as v1 does; None: all of them.
    """

    name: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[str] | None = None

    @property
    def root(self) -> str:
        """The path that its URLs begin with."""
        return f"/{self.name}"

    def shares(self, name: str) -> bool:
        """Whether it has v1's type `name` as it is."""
        return self.shared is None or name in self.shared

    def translate(self, words: str) -> str:
        """A type as fields and actions name it, such as `reference[environment]`, in this dialect's words."""
        return re.sub(r"\w+", lambda word: self.renamed.get(word[0], word[0]), words)


_SHARED = """
account addOutputsInput addRemoveServiceLinkInput apiKey blkioDeviceOption certificate changeSecretInput composeConfig
composeConfigInput containerExec containerLogs containerProxy hostAccess identity image instanceHealthCheck instanceStop
inServiceUpgradeStrategy ipAddress launchConfig loadBalancerCookieStickinessPolicy logConfig machine mount network
password physicalHost port projectMember publicEndpoint pullTask recreateOnQuorumStrategyConfig register
registrationToken registry registryCredential registryTest registryTestInput restartPolicy rollingRestartStrategy
scalePolicy schema secondaryLaunchConfig serviceConsumeMap serviceExposeMap serviceLink serviceRestart serviceUpgrade
servicesPortRange serviceUpgradeStrategy setLabelsInput setProjectMembersInput setServiceLinksInput setting
statsAccess storagePool
subscribe token toServiceUpgradeStrategy ulimit volume
"""

V1 = Dialect("v1")
V2_BETA = Dialect("v2-beta", {"environment": "stack", "environmentUpgrade": "stackUpgrade"}, frozenset(_SHARED.split()))

DIALECTS = {each.name: each for each in (V1, V2_BETA)}
