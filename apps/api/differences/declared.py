"""The differences of types that exist here: `types | parts | why`, the first that fits counts.

An indented line continues the one before it.
"""

from __future__ import annotations

DECLARED = """
* | field * nullable | what nobody gave is null here, as Rancher sends it too where its schema says that it never is
githubconfig, ldapconfig, openldapconfig | field * update, resource method PUT | a provider is changed with PUT too;
    v1 sets it anew with POST
githubconfig, ldapconfig, openldapconfig, localAuthConfig | field accessMode * | all providers have the same three
    modes, and `unrestricted` where none is given
ldapconfig, openldapconfig | field port default | 389, or 636 where TLS is on
githubconfig, ldapconfig, openldapconfig, localAuthConfig | field * required, field * default | what was configured
    stays as it is when a request leaves it out
githubconfig, ldapconfig, openldapconfig, localAuthConfig | field name create, field name update, field * create |
    the name of a provider is fixed
* | field * min, field * max, field * minLength, field * maxLength | whatever people send has limits here; where
    both have one, ours is what is stored
instance | field *, filter *, action * | an instance is shown as the container that it is; what is done is done to a
    container
port | * | a part of a container, read through its link; there are no rows of its own to be made, changed or filtered
mount | field *, filter *, action * | a fact about a container and a volume, without a life of its own
volume | action activate, action restore, action update, field * | a volume is there or not: it is neither switched off
    nor brought back
storagePool | field *, filter *, action * | a host's own storage, without a life of its own
physicalHost | field *, filter *, action * | it is the host's machine and nothing else; what is done is done to the
    host
machine | * | hosts are not made at clouds, so that the list is empty
ipAddress, network | field *, filter *, action * | a row of the managed network, without a life of its own
network | resource method PUT | owners choose encryption and policy of their environment's network
serviceExposeMap, serviceConsumeMap | field *, filter *, action * | a fact about two rows, without a life of its own
projectMember | * | members are set as a whole with the project's action `setmembers`
password | * | an account has at most one password, which administrators set and its owner changes with `changesecret`
identity | filter *, field * | identities are asked of the log-in providers, so that `name` and `all` search and
    nothing else
account | field externalId*, field identity | everybody sees as whom an account logged in, and nobody writes it
account | field kind *, field uuid * | accounts are made for people; kinds of service accounts of Rancher's own do
    not exist
apiKey | field accountId create | a key may be made for an environment by naming it
apiKey | field publicValue create, field secretValue create | both halves of a key are generated
changeSecretInput | field * type | secrets are never shown
launchConfig, secondaryLaunchConfig, container | field build type | images are built elsewhere; it is kept as it was
    sent
launchConfig, secondaryLaunchConfig, container | field cap* options | engines know more capabilities than Rancher's
    list has, so that they decide
container, launchConfig, secondaryLaunchConfig | field networkMode options | `managed` is the environment's network;
    modes of Rancher's plugins do not exist
environment | field previous* | set by the portal when a stack is upgraded
environmentUpgrade | field * | an upgrade of a stack may say more here: from which revision, which services, and a
    note
toServiceUpgradeStrategy, rollingRestartStrategy, inServiceUpgradeStrategy | field minReadySeconds | how long a new
    container must have run before the next one is replaced
serviceRestart | field rollingRestartStrategy required | one container at a time where none is given
scalePolicy | collection method POST, field * create | the input of a service, as the others are
subscribe | * | events are heard by opening the URL as a WebSocket
setting | field * required | a setting is found by its name
project | field uuid create | a uuid is given by the portal
schema | * | schemas describe themselves as what they are: read only
haproxyConfig, loadBalancerConfig, loadBalancer* | field * | settings of HAProxy as balancers here have them
* | filter * | what is computed cannot be filtered by, and what is a column can; unknown filters are ignored, as in v1
* | action allocate, action deallocate, action migrate, action error, action update*healthy, action
    updatereinitializing, action bootstrap | steps of Rancher's own processes, which no client calls
* | action console | a shell by `execute` is what there is
container | action setlabels | labels are changed by an upgrade, as engines cannot change them
* | action snapshot, action reverttosnapshot, action restorefrombackup, action backup | no storage driver here makes
    snapshots
* | action restore | what was deleted is restored where it can be: stacks and services, for a time
launchConfig, secondaryLaunchConfig | action * | a launch configuration is a value; what is done is done to the
    containers made from it
environment | field bundle | files of a stack in one archive
environment | field warnings | what of the files of a new stack is not carried over, in the answer to its creation
externalService | action restart input | there is nothing to be restarted batch by batch
host | action dockersocket | for owners and custom roles with the permission `engine`; members and restricted enter
    containers by `execute`
githubconfig, ldapconfig, openldapconfig | action test, action confirm, action resync | a provider is tried before
    it is on, and on trial until it is confirmed
host | action evacuate, action importimage, action removeimage | a host is emptied, and images are loaded on it
    and removed from it
container | action unpause | a container that was paused on its engine goes on
registrationToken | action rotate | a new token in the place of the old one
processInstance | action cancel, action retry | a change is taken back, or tried again
registry | action test | its credentials are tried before anything is pulled with them
* | action lock, action unlock | locks against changes
* | action purge, action undo, action runnow, action continueupgrade, action returntorevision, action previewupgrade |
    deletion for good, its undoing, runs of scheduled services, and the history of upgrades
* | action * output | the answer is the row itself, whose type says what it is
"""
