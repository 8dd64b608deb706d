"""The v1 contract's table of roles (section 3.1), independent of the code, for comparison with the declared types."""

from __future__ import annotations

COLUMNS = ("nobody", "user", "owner", "member", "restricted", "readonly", "admin")

_TABLE = """
account            -  r     r     r     r     r  crud
apiKey             -  crud  crud  crud  crud  r  crud
auditLog           -  r     r     r     r     r  r
certificate        -  r     crud  crud  crud  r  r
changeSecretInput  -  cr    cr    cr    cr    r  cr
composeConfig      -  r     r     r     r     r  r
composeConfigInput -  cr    cr    cr    cr    r  cr
container          -  r     crud  crud  crud  r  r
containerExec      -  r     cr    cr    cr    r  r
containerLogs      -  r     cr    cr    cr    r  r
dnsService         -  r     crud  crud  crud  r  r
environment        -  r     crud  crud  crud  r  r
externalService    -  r     crud  crud  crud  r  r
githubconfig       -  -     -     -     -     -  cru
host               -  r     rud   rud   r     r  r
hostAccess         -  r     r     r     r     r  r
identity           -  r     r     r     r     r  r
instance           -  r     r     r     r     r  r
instanceHealthCheck - cr    cr    cr    cr    r  cr
instanceStop       -  r     cr    cr    cr    r  r
launchConfig       -  cru   cru   cru   cru   r  cru
ldapconfig         -  -     -     -     -     -  cru
loadBalancerService - r     crud  crud  crud  r  r
loadBalancerServiceLink - cr cr   cr    cr    r  cr
loadBalancerConfig - r      crud  crud  crud  r  r
loadBalancerAppCookieStickinessPolicy - r cru cru cru r r
loadBalancerCookieStickinessPolicy - r cru cru   cru   r  r
haproxyConfig      -  r     cru   cru   cru   r  r
addRemoveLoadBalancerServiceLinkInput - r r r r r r
setLoadBalancerServiceLinksInput - r r r r r r
localAuthConfig    -  -     -     -     -     -  cr
logConfig          -  r     cr    cr    cr    r  r
openldapconfig     -  -     -     -     -     -  cru
project            -  crud  r     r     r     r  crud
publicEndpoint     -  r     r     r     r     r  r
pullTask           -  r     cr    cr    cr    r  r
registrationToken  -  r     cr    cr    -     -  r
registry           -  r     crud  crud  crud  r  r
registryCredential -  r     crud  crud  crud  r  r
restartPolicy      -  r     cr    cr    cr    r  r
schema             r  r     r     r     r     r  r
service            -  r     crud  crud  crud  r  r
serviceConsumeMap  -  r     r     r     r     r  r
serviceExposeMap   -  r     r     r     r     r  r
serviceLink        -  cr    cr    cr    cr    r  cr
servicesPortRange  -  cru   cru   cru   cru   r  cru
setServiceLinksInput - r    cr    cr    cr    r  r
setting            -  r     r     r     r     r  crud
statsAccess        -  r     r     r     r     r  r
volume             -  r     crd   crd   crd   r  r
token              cr -     -     -     -     -  -
"""

CONTRACT = {
    name: dict(zip(COLUMNS, words, strict=True))
    for name, *words in (line.split() for line in _TABLE.strip().splitlines())
}

DEVIATIONS = {
    "projectMember": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # v1 offers users a POST that it then refuses
    "acmeCertificate": dict.fromkeys(COLUMNS, "-") | dict.fromkeys(("owner", "member", "restricted"), "c"),  # not in v1
    "engineEndpoint": dict.fromkeys(COLUMNS, "-") | {"owner": "c", "member": "c"},  # not in v1
    "sharedRegistry": dict.fromkeys(COLUMNS, "-") | {"admin": "crud"},  # not in v1: lent by administrators
    "catalog": CONTRACT["registry"] | {"member": "r", "restricted": "r", "admin": "crud"},  # not in v1
    "trustRule": CONTRACT["certificate"],  # not in v1: whose jobs get keys
    "registryTestInput": CONTRACT["logConfig"],  # not in v1: an account to test at a registry
    "registryTest": CONTRACT["instance"],  # not in v1: and what the registry said
    "auditVerification": dict.fromkeys(COLUMNS, "-") | {"user": "r", "owner": "r", "admin": "r"},  # not in v1
    "processInstance": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # v1: administrators only; here all members
    "hostEvent": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # not in v1: a host's timeline
    "hostPolicy": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "admin": "rud"},  # not in v1: administrators decide
    "network": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "owner": "ru", "admin": "ru"},  # v1: read only
    "networkPolicyRule": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "owner": "ru", "admin": "ru"},  # Rancher 1.6's
    "networkCheck": CONTRACT["logConfig"] | {"user": "r", "admin": "r"},  # not in v1: do hosts reach each other
    "role": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "admin": "crud"},  # not in v1: administrators make roles
    "replaceRoleInput": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "admin": "cr"},  # not in v1
    "effectiveAccess": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # not in v1: why somebody may do something
    "imagePull": CONTRACT["logConfig"] | {"restricted": "r"},  # not in v1: images between hosts
    "hostImage": CONTRACT["instance"],  # not in v1: the images of hosts
    **dict.fromkeys(("imageRemoval", "tagImageInput"), CONTRACT["logConfig"] | {"restricted": "r"}),  # not in v1
    "imageBuild": CONTRACT["logConfig"] | {"restricted": "r"},  # not in v1: images built on hosts
    **dict.fromkeys(  # not in v1: read about images
        ("imagePrune", "imageDetails", "imageBuildLog", "importedImages"), CONTRACT["statsAccess"]
    ),
    "containerProxy": CONTRACT["containerExec"],  # in v1, but no type of it that a role's table has
    "portForwardInput": CONTRACT["containerExec"],  # not in v1: a port of a container through the portal
    "removeImageInput": CONTRACT["logConfig"] | {"restricted": "r"},  # not in v1
    "dockerHealthCheck": CONTRACT["logConfig"],  # not in v1: the engine's own check
    "providerTestInput": dict.fromkeys(COLUMNS, "-") | {"admin": "cr"},  # not in v1: tries a directory
    "evacuateInput": CONTRACT["logConfig"] | {"restricted": "r"},  # not in v1: how a host is emptied
    "balancerTraffic": CONTRACT["statsAccess"],  # not in v1: what passes through a balancer
    "networkPolicyPreview": CONTRACT["statsAccess"],  # not in v1: what another policy would cut off
    "deployment": CONTRACT["statsAccess"],  # not in v1: what runs where
    **dict.fromkeys(  # not in v1: revisions on their way into another environment
        ("promotion", "promotionInput", "refusePromotionInput"), CONTRACT["changeSecretInput"]
    ),
    "approvePromotionInput": CONTRACT["changeSecretInput"] | {"restricted": "r"},  # not in v1
    "promotionPreview": CONTRACT["statsAccess"],  # not in v1
    "promotionRules": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "owner": "ru", "admin": "ru"},  # not in v1
    "whatIf": CONTRACT["statsAccess"],  # not in v1: what the scheduler would do
    "adoptionCandidate": CONTRACT["instance"],  # not in v1: what could become a stack
    "adoptInput": CONTRACT["logConfig"],  # not in v1
    "adoptionPreview": CONTRACT["instance"],  # not in v1
    "composeCheck": CONTRACT["changeSecretInput"],  # not in v1: what compose files would become
    "restorableResource": CONTRACT["statsAccess"],  # not in v1: what can be restored
    "restoreInput": CONTRACT["logConfig"],  # not in v1
    "lock": CONTRACT["statsAccess"],  # not in v1: who locked a stack or service
    "lockInput": CONTRACT["logConfig"] | {"restricted": "r"},  # not in v1
    **dict.fromkeys(("volumeFolder", "prunedVolumes"), CONTRACT["instance"]),  # not in v1: files, and what went
    "pruneVolumesInput": CONTRACT["logConfig"],  # not in v1: which unused volumes go
    "removalPreview": CONTRACT["statsAccess"],  # not in v1: what a deletion takes along
    "statsHistory": CONTRACT["statsAccess"],  # not in v1: charts of the past
    "imageUpdatePolicy": CONTRACT["logConfig"],  # not in v1: what is done about newer images
    "imageUpdate": CONTRACT["instance"],  # not in v1: which images have newer ones
    "upgradeVerdict": CONTRACT["logConfig"],  # not in v1: how upgrades are judged
    **dict.fromkeys(("upgradeFinding", "upgradeJudgement"), CONTRACT["instance"]),  # not in v1: and what was found
    "deployWebhook": CONTRACT["registry"],  # not in v1: what a signed call may do to a service
    **dict.fromkeys(("deployWebhookCall", "deployWebhookSecret"), CONTRACT["instance"]),  # not in v1
    "ulimit": CONTRACT["logConfig"],  # not in v1
    "serviceRevision": CONTRACT["instance"],  # not in v1: the history of a service
    "stackRevision": CONTRACT["instance"],  # not in v1: the history of a stack
    "returnToRevisionInput": CONTRACT["logConfig"],  # not in v1
    "serviceRun": CONTRACT["instance"],  # not in v1: the runs of a scheduled service
    "serviceSchedule": CONTRACT["logConfig"],  # not in v1
    "secondFactor": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # not in v1
    "secondFactorInput": CONTRACT["changeSecretInput"],  # not in v1
    "sessionConfirmInput": CONTRACT["changeSecretInput"],  # not in v1
    "machine": CONTRACT["instance"],  # v1 lets members make and delete them; there are none here
    **dict.fromkeys(  # v1: some of them made and changed; here they are parts of containers and hosts
        ("port", "mount", "ipAddress", "storagePool", "physicalHost"), CONTRACT["instance"]
    ),
    "subscribe": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "user": "-", "admin": "-"},  # v1: a POST too
    "openMode": dict.fromkeys(COLUMNS, "-") | {"admin": "cr"},  # not in v1
    "loginSession": dict.fromkeys(COLUMNS, "rd") | {"nobody": "-"},  # not in v1
    # v1 lets everybody create, rename and delete passwords; here an account has at most one, set by administrators.
    "password": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "admin": "cr"},
}
"""Types that Rancher's v1 does not have, and types where its behaviour differs from its schema."""


def actions_of(role: str, name: str, known: set[str]) -> set[str]:
    """The actions of a type that exist for a role: the contract's rules below its table, as code.

    "user/owner/member/restricted/admin all have the full list of section 4 (restricted: none on host/physicalHost);
    readonly: only container.logs". A type that the table does not give a role has none.
    """
    if (CONTRACT.get(name) or DEVIATIONS.get(name, {})).get(role, "-") == "-":
        return set()
    if name in {"instance", "physicalHost"}:  # what is done is done to a container or host
        return set()
    if role == "readonly":
        return known & {"logs"} if name == "container" else set()
    if name == "catalog" and role in {"member", "restricted"}:  # owners decide where templates come from
        return set()
    if role == "restricted":  # not in v1: what only owners and members may do
        return (
            set()
            if name in {"host", "hostImage", "imageBuild", "imageRemoval"}
            else known - {"lock", "unlock", "approve"}
        )
    return known - {"dockersocket"} if (role, name) == ("member", "host") else known
