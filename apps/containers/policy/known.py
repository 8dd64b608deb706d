"""The fields of an engine's create body that may be sent at all: what is not listed here is refused unseen."""

from __future__ import annotations

_PROCESS = (
    "Image Cmd Entrypoint Env User WorkingDir Tty OpenStdin StopSignal StopTimeout Healthcheck Volumes Labels Hostname "
    "Domainname ExposedPorts HostConfig NetworkingConfig"
)
PROCESS = frozenset(_PROCESS.split())

# Of the HostConfig: limits, names and ports, which open nothing ...
_HARMLESS = (
    "Memory MemorySwap MemoryReservation CpuShares CpusetCpus CpuPeriod CpuQuota NanoCpus PidsLimit ShmSize "
    "BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps "
    "Ulimits CapDrop GroupAdd ReadonlyRootfs Init Tmpfs RestartPolicy PortBindings PublishAllPorts Dns DnsSearch "
    "DnsOptions ExtraHosts Links"
)
HARMLESS = frozenset(_HARMLESS.split())

# ... and those with a rule of their own, by the v1 field that a refusal names.
RULED = {
    "Binds": "dataVolumes",
    "Mounts": "dataVolumes",
    "VolumesFrom": "dataVolumesFrom",
    "VolumeDriver": "volumeDriver",
    "Privileged": "privileged",
    "NetworkMode": "networkMode",
    "PidMode": "pidMode",
    "IpcMode": "ipcMode",
    "UTSMode": "utsMode",
    "UsernsMode": "usernsMode",
    "Devices": "devices",
    "CapAdd": "capAdd",
    "Sysctls": "sysctls",
    "SecurityOpt": "securityOpt",
    "LogConfig": "logConfig",
}
