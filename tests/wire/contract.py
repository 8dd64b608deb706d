"""The v1 contract's table of roles (section 3.1), written down once more: what the API must agree with."""

from __future__ import annotations

COLUMNS = ("nobody", "user", "owner", "member", "restricted", "readonly", "admin")

_TABLE = """
account            -  r     r     r     r     r  crud
apiKey             -  crud  crud  crud  crud  r  crud
auditLog           -  r     r     r     r     r  r
changeSecretInput  -  cr    cr    cr    cr    r  cr
composeConfig      -  r     r     r     r     r  r
composeConfigInput -  cr    cr    cr    cr    r  cr
container          -  r     crud  crud  crud  r  r
containerExec      -  r     cr    cr    cr    r  r
containerLogs      -  r     cr    cr    cr    r  r
environment        -  r     crud  crud  crud  r  r
githubconfig       -  -     -     -     -     -  cru
host               -  r     rud   rud   r     r  r
hostAccess         -  r     r     r     r     r  r
identity           -  r     r     r     r     r  r
instanceHealthCheck - cr    cr    cr    cr    r  cr
instanceStop       -  r     cr    cr    cr    r  r
launchConfig       -  cru   cru   cru   cru   r  cru
ldapconfig         -  -     -     -     -     -  cru
localAuthConfig    -  -     -     -     -     -  cr
logConfig          -  r     cr    cr    cr    r  r
openldapconfig     -  -     -     -     -     -  cru
project            -  crud  r     r     r     r  crud
publicEndpoint     -  r     r     r     r     r  r
registrationToken  -  r     cr    cr    -     -  r
restartPolicy      -  r     cr    cr    cr    r  r
schema             r  r     r     r     r     r  r
service            -  r     crud  crud  crud  r  r
serviceConsumeMap  -  r     r     r     r     r  r
serviceLink        -  cr    cr    cr    cr    r  cr
setServiceLinksInput - r    cr    cr    cr    r  r
setting            -  r     r     r     r     r  crud
statsAccess        -  r     r     r     r     r  r
token              cr -     -     -     -     -  -
"""

CONTRACT = {
    name: dict(zip(COLUMNS, words, strict=True))
    for name, *words in (line.split() for line in _TABLE.strip().splitlines())
}

DEVIATIONS = {
    "projectMember": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # v1 tells users of a POST that it then refuses
    "engineEndpoint": dict.fromkeys(COLUMNS, "-") | {"owner": "c", "member": "c"},  # our own type
    "auditVerification": dict.fromkeys(COLUMNS, "-") | {"user": "r", "owner": "r", "admin": "r"},  # ours
    "processInstance": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # v1: administrators only; who asks may watch
    "hostEvent": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # ours: a host's timeline
    "hostPolicy": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "admin": "rud"},  # ours: administrators decide
    "role": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "admin": "crud"},  # ours: administrators make roles
    "replaceRoleInput": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "admin": "cr"},  # ours
    "effectiveAccess": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # ours: why somebody may do something
    "imagePull": CONTRACT["logConfig"] | {"restricted": "r"},  # ours: images between hosts
    "removeImageInput": CONTRACT["logConfig"] | {"restricted": "r"},  # ours
    "dockerHealthCheck": CONTRACT["logConfig"],  # ours: the engine's own check
    "providerTestInput": dict.fromkeys(COLUMNS, "-") | {"admin": "cr"},  # ours: tries a directory
    "evacuateInput": CONTRACT["logConfig"] | {"restricted": "r"},  # ours: how a host is emptied
    "statsHistory": CONTRACT["statsAccess"],  # ours: charts of the past
    "ulimit": CONTRACT["logConfig"],  # ours
    "secondFactor": dict.fromkeys(COLUMNS, "r") | {"nobody": "-"},  # our own type
    "secondFactorInput": CONTRACT["changeSecretInput"],  # ours
    "sessionConfirmInput": CONTRACT["changeSecretInput"],  # ours
    "openMode": dict.fromkeys(COLUMNS, "-") | {"admin": "cr"},  # our own type
    "loginSession": dict.fromkeys(COLUMNS, "rd") | {"nobody": "-"},  # our own type
    # v1 lets everybody make, rename and delete passwords; here an account has at most one, which administrators make.
    "password": dict.fromkeys(COLUMNS, "r") | {"nobody": "-", "admin": "cr"},
}
"""Types that are ours, or where what v1 does differs from what its schema says."""


def actions_of(role: str, name: str, known: set[str]) -> set[str]:
    """Which of a type's actions exist for a role: the contract's words below its table, in code.

    "user/owner/member/restricted/admin all have the full list of section 4 (restricted: none on host/physicalHost);
    readonly: only container.logs". A type that the table does not give a role has none.
    """
    if (CONTRACT.get(name) or DEVIATIONS.get(name, {})).get(role, "-") == "-":
        return set()
    if role == "readonly":
        return known & {"logs"} if name == "container" else set()
    if role == "restricted" and name == "host":
        return set()
    return known
