"""What each role may do with each type: the v1 contract's table (section 3.1) for the types that exist here.

`c r u d` are POST, GET, PUT and DELETE; `-` means that the role does not know the type. An environment key acts as
its role in its environment; `user` and `admin` are accounts outside any environment, `token` is nobody.
"""

from __future__ import annotations

from collections.abc import Iterable

ROLES = ("token", "user", "owner", "member", "restricted", "readonly", "admin")

_TABLE = """
account                         -     r     r     r     r     r     crud
addOutputsInput                 -     r     r     r     r     r     r
addRemoveServiceLinkInput       -     r     cr    cr    cr    r     r
apiKey                          -     crud  crud  crud  crud  r     crud
auditLog                        -     r     r     r     r     r     r
blkioDeviceOption               -     r     cr    cr    cr    r     r
composeConfig                   -     r     r     r     r     r     r
composeConfigInput              -     cr    cr    cr    cr    r     cr
container                       -     r     crud  crud  crud  r     r
containerExec                   -     r     cr    cr    cr    r     r
containerLogs                   -     r     cr    cr    cr    r     r
dockerHealthCheck               -     r     cr    cr    cr    r     r
engineEndpoint                  -     -     c     c     -     -     -
environment                     -     r     crud  crud  crud  r     r
host                            -     r     rud   rud   r     r     r
hostAccess                      -     r     r     r     r     r     r
identity                        -     r     r     r     r     r     r
instanceHealthCheck             -     cr    cr    cr    cr    r     cr
instanceStop                    -     r     cr    cr    cr    r     r
launchConfig                    -     cru   cru   cru   cru   r     cru
logConfig                       -     r     cr    cr    cr    r     r
processInstance                 -     -     -     -     -     -     r
project                         -     crud  r     r     r     r     crud
projectMember                   -     r     r     r     r     r     r
publicEndpoint                  -     r     r     r     r     r     r
recreateOnQuorumStrategyConfig  -     r     cr    cr    cr    r     r
registrationToken               -     r     cr    cr    -     -     r
restartPolicy                   -     r     cr    cr    cr    r     r
schema                          r     r     r     r     r     r     r
secondaryLaunchConfig           -     cr    cru   cru   cru   r     cr
service                         -     r     crud  crud  crud  r     r
serviceConsumeMap               -     r     r     r     r     r     r
serviceLink                     -     cr    cr    cr    cr    r     cr
setLabelsInput                  -     cr    cr    cr    cr    r     cr
setProjectMembersInput          -     r     cr    cr    cr    r     r
setServiceLinksInput            -     r     cr    cr    cr    r     r
setting                         -     r     r     r     r     r     crud
statsAccess                     -     r     r     r     r     r     r
token                           cr    -     -     -     -     -     -
ulimit                          -     r     cr    cr    cr    r     r
"""

_LETTERS: dict[str, dict[str, str]] = {
    name: {role: "" if word == "-" else word for role, word in zip(ROLES, words, strict=True)}
    for name, *words in (line.split() for line in _TABLE.strip().splitlines())
}


def letters(role: str, name: str) -> str:
    """What `role` may do with the type `name`, empty when it does not know it."""
    return _LETTERS.get(name, {}).get(role, "")


def offered(role: str, name: str, actions: Iterable[str]) -> list[str]:
    """The actions of the type that exist for this role: readers have a container's logs, hosts are others' work."""
    if role == "readonly":
        return [action for action in actions if (name, action) == ("container", "logs")]
    if role == "restricted" and name == "host":
        return []
    return list(actions)
