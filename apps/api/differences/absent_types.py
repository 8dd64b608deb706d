"""The types of the reference's v1 that do not exist here, and why."""

from __future__ import annotations

ABSENT_TYPES = {
    "Backups and snapshots of volumes: no storage driver here makes any": (
        "backup backupTarget restoreFromBackupInput revertToSnapshotInput snapshot snapshotBackupInput "
        "volumeSnapshotInput nfsConfig"
    ),
    "Virtual machines: engines run containers": "virtualMachine virtualMachineDisk",
    "Kubernetes inside an environment: there is none": "kubernetesService kubernetesStack kubernetesStackUpgrade",
    "Stacks that Docker Compose makes on a Swarm: there are none": "composeProject composeService",
    "Events that Rancher's own agents and services report over v1: agents have a channel of their own": (
        "containerEvent externalDnsEvent externalEvent externalHostEvent externalServiceEvent "
        "externalStoragePoolEvent externalVolumeEvent serviceEvent publish"
    ),
    "Handlers of other processes in Rancher's own work: the loop has none": (
        "externalHandler externalHandlerExternalHandlerProcessMap externalHandlerProcess externalHandlerProcessConfig "
        "extensionImplementation extensionPoint processDefinition processExecution stateTransition task taskInstance "
        "configItem configItemStatus resourceDefinition"
    ),
    "Insides of Rancher's database, agents and cluster": (
        "agent databasechangelog databasechangeloglock haConfig haConfigInput hostApiProxyToken instanceLink "
        "healthcheckInstanceHostMap serviceProxy ipAddressAssociateInput"
    ),
    "Hosts made at a cloud: there are none, so there are no drivers for them": "baseMachineConfig machineDriver",
    "A provider of log-ins that is not offered": "azureadconfig",
    "Images are built elsewhere": "dockerBuild",
    "Images are what engines have; the pull of one is a `pullTask` or `imagePull`": "image",
    "A console through the portal: a shell by `execute` is what there is": "instanceConsole instanceConsoleInput",
    "A setting's value in force is its field `activeValue`": "activeSetting",
    "Labels are a field of containers, services and hosts": "label",
    "Documentation of fields: this page and the OpenAPI document": "fieldDocumentation typeDocumentation",
    "Agents register with `registrationToken`; `/v1/registers` answers as Rancher's agent expects, for it alone": (
        "register"
    ),
    "The console keeps its preferences in the browser": "userPreference",
    "The parts of it have types of their own, `apiKey` and `registrationToken`": "credential",
}
"""Names by reason, separated by spaces."""
