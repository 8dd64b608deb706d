"""What may be done with each type: the v1 contract's table (section 3.1), for any set of permissions.

`c r u d` are POST, GET, PUT and DELETE. Outside any environment one is `token` (nobody), `user` or `admin`, and `-`
means that the type is not known there. Inside an environment it depends on the permissions held: `operate:cu` gives
POST and PUT to who may operate, `operate|members:c` to who holds one of the two. The rows of the built-in roles, those
of custom roles and those of keys that are held to less follow from these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from apps.environments.roles import ROLES

SITE_ROLES = ("token", "user", "admin")
RoleOrPermissions = str | frozenset[str]

# type                          token user  admin in an environment
_TABLE = """
account                         -     r     crud  view:r
addOutputsInput                 -     r     r     view:r
addRemoveServiceLinkInput       -     r     r     view:r operate:c
apiKey                          -     crud  crud  view:r keys:cud
auditLog                        -     r     r     view:r
auditVerification               -     r     r     own:r
blkioDeviceOption               -     r     r     view:r operate:c
changeSecretInput               -     cr    cr    view:r operate:c
composeConfig                   -     r     r     view:r
composeConfigInput              -     cr    cr    view:r operate:c
container                       -     r     r     view:r operate:cu delete:d
containerExec                   -     r     r     view:r exec:c
containerLogs                   -     r     r     view:r operate:c
dockerHealthCheck               -     r     r     view:r operate:c
effectiveAccess                 -     r     r     view:r
engineEndpoint                  -     -     -     hosts:c
environment                     -     r     r     view:r operate:cu delete:d
evacuateInput                   -     r     r     view:r hosts:c
host                            -     r     r     view:r hosts:ud
hostAccess                      -     r     r     view:r
hostEvent                       -     r     r     view:r
hostPolicy                      -     r     rud   view:r
imagePull                       -     r     r     view:r hosts:c
identity                        -     r     r     view:r
instanceHealthCheck             -     cr    cr    view:r operate:c
instanceStop                    -     r     r     view:r operate:c
launchConfig                    -     cru   cru   view:r operate:cu
localAuthConfig                 -     -     cr
logConfig                       -     r     r     view:r operate:c
loginSession                    -     rd    rd    view:rd
processInstance                 -     r     r     view:r
project                         -     crud  crud  view:r
projectMember                   -     r     r     view:r
openMode                        -     -     cr
password                        -     r     cr    view:r
providerTestInput               -     -     cr
publicEndpoint                  -     r     r     view:r
recreateOnQuorumStrategyConfig  -     r     r     view:r operate:c
registrationToken               -     r     r     hosts:cr
removeImageInput                -     r     r     view:r hosts:c
replaceRoleInput                -     r     cr    view:r
restartPolicy                   -     r     r     view:r operate:c
role                            -     r     crud  view:r
schema                          r     r     r     view:r
secondFactor                    -     r     r     view:r
secondFactorInput               -     cr    cr    view:r operate:c
secondaryLaunchConfig           -     cr    cr    view:r operate:cu
sessionConfirmInput             -     cr    cr    view:r operate:c
service                         -     r     r     view:r operate:cu delete:d
serviceConsumeMap               -     r     r     view:r
serviceLink                     -     cr    cr    view:r operate:c
setLabelsInput                  -     cr    cr    view:r operate:c
setProjectMembersInput          -     r     r     view:r operate|members:c
setServiceLinksInput            -     r     r     view:r operate:c
setting                         -     r     crud  view:r
statsAccess                     -     r     r     view:r
statsHistory                    -     r     r     view:r
token                           cr    -     -
ulimit                          -     r     r     view:r operate:c
"""

_SHOWN_TO_OPERATORS = frozenset({"own", "members", "admin"})
"""v1 names owners' actions to whoever may operate; the row's own `actions` say who may do them."""


def _parse_permissions(words: Iterable[str]) -> dict[str, frozenset[str]]:
    """For each letter the permissions of which one must be held."""
    pairs = (word.split(":") for word in words)
    return {letter: frozenset(required.split("|")) for required, methods in pairs for letter in methods}


_CRUD_BY_SITE_ROLE: dict[str, dict[str, str]] = {}
_PERMISSIONS_BY_TYPE: dict[str, dict[str, frozenset[str]]] = {}


def declare_roles(line: str) -> None:
    """Add a line of the table, for types that are derived from something else."""
    name, *words = line.split()
    _CRUD_BY_SITE_ROLE[name] = {who: word.replace("-", "") for who, word in zip(SITE_ROLES, words[:3], strict=True)}
    _PERMISSIONS_BY_TYPE[name] = _parse_permissions(words[3:])


for _line in _TABLE.strip().splitlines():
    declare_roles(_line)


def _permissions_of(who: RoleOrPermissions) -> frozenset[str]:
    return ROLES.get(who, frozenset()) if isinstance(who, str) else who


def allowed_crud(who: RoleOrPermissions, name: str) -> str:
    """What `who` may do with the type `name`, empty when it is not known: one of `SITE_ROLES`, a built-in role, or the
    permissions held in the environment the call is about.
    """
    if isinstance(who, str) and who in SITE_ROLES:
        return _CRUD_BY_SITE_ROLE.get(name, {}).get(who, "")
    permissions = _permissions_of(who)
    return "".join(
        letter for letter in "crud" if _PERMISSIONS_BY_TYPE.get(name, {}).get(letter, frozenset()) & permissions
    )


def available_actions(who: RoleOrPermissions, actions: Collection[str], required: Mapping[str, str]) -> list[str]:
    """Those of the type's actions that exist for `who`; `required` says which permission each of them takes."""
    if isinstance(who, str) and who in SITE_ROLES:
        return list(actions)
    permissions = _permissions_of(who)
    operator_extras = _SHOWN_TO_OPERATORS if "operate" in permissions else frozenset()
    return [action for action in actions if required[action] in permissions | operator_extras]
