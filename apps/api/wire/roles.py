"""What may be done with each type: the v1 contract's table (section 3.1), for any set of permissions.

`c r u d` are POST, GET, PUT and DELETE. Outside any environment one is `token` (nobody), `user` or `admin`, and `-`
means that the type is not known there. Inside an environment it depends on the permissions held: `operate:cu` gives
POST and PUT to who may operate, `operate|members:c` to who holds one of the two. The rows of the built-in roles, those
of custom roles and those of keys that are held to less follow from these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from apps.environments.roles import ROLES

OUTSIDE = ("token", "user", "admin")
Standing = str | frozenset[str]

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
githubconfig                    -     -     cru
host                            -     r     r     view:r hosts:ud
hostAccess                      -     r     r     view:r
hostEvent                       -     r     r     view:r
hostPolicy                      -     r     rud   view:r
imagePull                       -     r     r     view:r hosts:c
identity                        -     r     r     view:r
instanceHealthCheck             -     cr    cr    view:r operate:c
instanceStop                    -     r     r     view:r operate:c
launchConfig                    -     cru   cru   view:r operate:cu
ldapconfig                      -     -     cru
localAuthConfig                 -     -     cr
logConfig                       -     r     r     view:r operate:c
loginSession                    -     rd    rd    view:rd
openldapconfig                  -     -     cru
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

_EVERYBODY_WHO_WORKS = frozenset({"own", "members", "admin"})
"""v1 names owners' actions to whoever may operate; the row's own `actions` say who may do them."""


def _inside(words: Iterable[str]) -> dict[str, frozenset[str]]:
    """For each letter the permissions of which one must be held."""
    pairs = (word.split(":") for word in words)
    return {letter: frozenset(needs.split("|")) for needs, letters_ in pairs for letter in letters_}


_LETTERS: dict[str, dict[str, str]] = {}
_NEEDS: dict[str, dict[str, frozenset[str]]] = {}
for _name, *_words in (line.split() for line in _TABLE.strip().splitlines()):
    _LETTERS[_name] = {who: word.replace("-", "") for who, word in zip(OUTSIDE, _words[:3], strict=True)}
    _NEEDS[_name] = _inside(_words[3:])


def _held(who: Standing) -> frozenset[str]:
    return ROLES.get(who, frozenset()) if isinstance(who, str) else who


def letters(who: Standing, name: str) -> str:
    """What `who` may do with the type `name`, empty when it is not known: one of `OUTSIDE`, a built-in role, or the
    permissions held in the environment the call is about.
    """
    if isinstance(who, str) and who in OUTSIDE:
        return _LETTERS.get(name, {}).get(who, "")
    held = _held(who)
    return "".join(letter for letter in "crud" if _NEEDS.get(name, {}).get(letter, frozenset()) & held)


def offered(who: Standing, actions: Collection[str], needs: Mapping[str, str]) -> list[str]:
    """Those of the type's actions that exist for `who`; `needs` says which permission each of them takes."""
    if isinstance(who, str) and who in OUTSIDE:
        return list(actions)
    held = _held(who)
    worker = _EVERYBODY_WHO_WORKS if "operate" in held else frozenset()
    return [action for action in actions if needs[action] in held | worker]
