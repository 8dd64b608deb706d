"""The launch fields of what a container may do to the machine, as whom it runs, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.containers.launch import engine_values
from apps.containers.launch.engine_checks import check_platform
from apps.containers.launch.fields.declaration import (
    ComposeKey,
    FormControl,
    harmless,
    launch_field,
    process,
    ruled,
)
from apps.containers.launch.fields.resources import ResourceFields
from apps.containers.launch.values import (
    CGROUP_PARENT,
    DEVICE,
    DEVICE_RULE,
    PATH,
    check_capability,
    check_signal,
)
from apps.core.fields import integer, list_of, map_text, mapping, text
from apps.core.texts import gettext_noop as _

MAX_DRAIN_MS = 600_000  # as much as the installation's setting may be
_NOT_IN_SWARM = "refused: swarm has no such field"
_NOT_PER_POD = "refused: the kubelet decides for all pods of a node"


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsFields(ResourceFields):
    """What it may do, as whom it runs, and where."""

    sysctls: Mapping[str, str] = launch_field(
        "sysctls", "map[string]", mapping(map_text(1024)), {},
        engine=ruled("Sysctls", write=dict),
        compose=ComposeKey("sysctls", "pairs"),
        kubernetes="securityContext.sysctls of the pod", swarm="ContainerSpec.Sysctls",
    )  # fmt: skip
    cap_add: tuple[str, ...] = launch_field(
        "capAdd", "array[enum]", list_of(check_capability), (),
        engine=ruled("CapAdd", write=list),
        compose="cap_add",
        form=FormControl(
            section="limits", kind="list", label=_("Add capabilities"), placeholder="NET_ADMIN SYS_TIME", is_code=True,
            row=2,
        ),
        kubernetes="containers[].securityContext.capabilities.add", swarm="ContainerSpec.CapabilityAdd",
    )  # fmt: skip
    cap_drop: tuple[str, ...] = launch_field(
        "capDrop", "array[enum]", list_of(check_capability), (),
        engine=harmless("CapDrop", write=list),
        compose="cap_drop",
        form=FormControl(
            section="limits", kind="list", label=_("Drop capabilities"), placeholder="ALL", is_code=True, row=2
        ),
        kubernetes="containers[].securityContext.capabilities.drop", swarm="ContainerSpec.CapabilityDrop",
    )  # fmt: skip
    devices: tuple[str, ...] = launch_field(
        "devices", "array[string]", list_of(DEVICE), (),
        engine=ruled("Devices", write=engine_values.write_devices, read=engine_values.read_devices),
        compose="devices",
        form=FormControl(
            section="limits", kind="list", label=_("Devices"), placeholder="/dev/snd:/dev/snd:rw", is_code=True, row=2
        ),
        kubernetes="refused: devices come from the plugins of a cluster",
        swarm="refused: services have no devices of their nodes",
    )  # fmt: skip
    group_add: tuple[str, ...] = launch_field(
        "groupAdd", "array[string]", list_of(text(low=1, high=64)), (),
        engine=harmless("GroupAdd", write=list),
        compose="group_add",
        kubernetes="securityContext.supplementalGroups; names are refused", swarm="ContainerSpec.Groups",
    )  # fmt: skip
    device_cgroup_rules: tuple[str, ...] = launch_field(
        "deviceCgroupRules", "array[string]", list_of(DEVICE_RULE), (),
        engine=ruled("DeviceCgroupRules", write=list),
        compose="device_cgroup_rules",
        form=FormControl(
            section="limits", kind="lines", label=_("Rules about devices"),
            hint=_("type major:minor rwm, one per line"),
            placeholder="c 189:* rwm", area=2, is_code=True, row=5,
        ),
        kubernetes="refused: devices come from the plugins of a cluster",
        swarm="refused: services have no devices of their nodes",
    )  # fmt: skip
    security_opt: tuple[str, ...] = launch_field(
        "securityOpt", "array[string]", list_of(text(low=1, high=65536)), (),
        engine=ruled("SecurityOpt", write=list),
        compose="security_opt",
        kubernetes="containers[].securityContext: allowPrivilegeEscalation, seccompProfile, seLinuxOptions",
        swarm="ContainerSpec.Privileges",
    )  # fmt: skip
    privileged: bool = launch_field(
        "privileged", "boolean", default=False,
        engine=ruled("Privileged"),
        compose=ComposeKey("privileged", "switch"),
        form=FormControl(
            section="limits", kind="switch", label=_("Privileged: full access to the host"), column=2, opens=True
        ),
        kubernetes="containers[].securityContext.privileged", swarm="refused: services are never privileged",
    )  # fmt: skip
    pid_mode: str | None = launch_field(
        "pidMode", "enum",
        options=("host",),
        engine=ruled("PidMode"),
        compose="pid",
        form=FormControl(
            section="limits", kind="choice", label=_("PID mode"), options=("host",), empty_option=_("private"),
            row=1, column=8,
        ),
        kubernetes="hostPID", swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    ipc_mode: str | None = launch_field(
        "ipcMode", "enum",
        options=("host", "private", "shareable", "none"),
        engine=ruled("IpcMode", read=engine_values.read_ipc_mode),
        compose="ipc",
        kubernetes="hostIPC for host; the containers of a pod share theirs in any case", swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    uts: str | None = launch_field(
        "uts", "enum",
        options=("host",),
        engine=ruled("UTSMode"),
        compose="uts",
        form=FormControl(
            section="limits", kind="choice", label=_("Host's name"), options=("host",), empty_option=_("private"),
            row=4, column=2,
        ),
        kubernetes="hostNetwork, which brings the node's name along", swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    userns_mode: str | None = launch_field(
        "usernsMode", "enum",
        options=("host",),
        engine=ruled("UsernsMode"),
        compose="userns_mode",
        form=FormControl(
            section="limits", kind="choice", label=_("User namespace"), options=("host",),
            empty_option=_("the engine's"), row=4, column=1,
        ),
        kubernetes="hostUsers", swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    cgroupns_mode: str | None = launch_field(
        "cgroupnsMode", "enum",
        options=("host", "private"),
        engine=ruled("CgroupnsMode"),
        inspect=lambda _seen: None,  # engines show their default, which differs between machines
        compose="cgroup",
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    cgroup_parent: str | None = launch_field(
        "cgroupParent", "string", CGROUP_PARENT,
        bounds=(1, 255),
        engine=ruled("CgroupParent"),
        compose="cgroup_parent",
        form=FormControl(
            section="limits", kind="text", label=_("Parent cgroup"), placeholder="batch.slice", is_code=True,
            row=4, column=3,
        ),
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    runtime: str | None = launch_field(
        "runtime", "string", text(low=1, high=128, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*", hint="name it as in nvidia"),
        bounds=(1, 128),
        engine=ruled("Runtime"),
        inspect=lambda _seen: None,  # engines show the name of their default like one that was wanted
        compose="runtime",
        form=FormControl(
            section="limits", kind="text", label=_("Runtime"), placeholder=_("the engine's default"), row=4, column=4,
        ),
        kubernetes="runtimeClassName", swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    platform: str | None = launch_field(
        "platform", "string", check_platform,
        bounds=(1, 64),
        compose="platform",
        form=FormControl(
            section="limits", kind="text", label=_("Platform"), placeholder=_("the host's, such as linux/arm64"),
            is_code=True, row=4, column=5,
        ),
        kubernetes="nodeSelector kubernetes.io/os and kubernetes.io/arch; images are not run by emulation there",
        swarm="Placement.Platforms",
    )  # fmt: skip
    annotations: Mapping[str, str] = launch_field(
        "annotations", "map[string]", mapping(map_text(4096)), {},
        engine=ruled("Annotations", write=dict),
        compose=ComposeKey("annotations", "pairs"),
        kubernetes="metadata.annotations of the pod", swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    read_only: bool = launch_field(
        "readOnly", "boolean", default=False,
        engine=harmless("ReadonlyRootfs"),
        compose=ComposeKey("read_only", "switch"),
        form=FormControl(section="limits", kind="switch", label=_("Read-only file system"), column=1),
        kubernetes="containers[].securityContext.readOnlyRootFilesystem", swarm="ContainerSpec.ReadOnly",
    )  # fmt: skip
    stdin_open: bool = launch_field(
        "stdinOpen", "boolean", default=False,
        engine=process("OpenStdin"),
        compose=ComposeKey("stdin_open", "switch"),
        form=FormControl(section="command", kind="switch", name="stdin", label=_("Keep input open"), column=2),
        kubernetes="containers[].stdin", swarm="ContainerSpec.OpenStdin",
    )  # fmt: skip
    tty: bool = launch_field(
        "tty", "boolean", default=False,
        engine=process("Tty"),
        compose=ComposeKey("tty", "switch"),
        form=FormControl(section="command", kind="switch", label=_("Terminal (TTY)"), column=1),
        kubernetes="containers[].tty", swarm="ContainerSpec.TTY",
    )  # fmt: skip
    run_init: bool | None = launch_field(
        "runInit", "boolean",
        engine=harmless("Init"),
        compose=ComposeKey("init", "switch"),
        form=FormControl(section="command", kind="switch", name="init", label=_("Init process"), column=3),
        kubernetes="refused: the image must bring its init process", swarm="ContainerSpec.Init",
    )  # fmt: skip
    user: str | None = launch_field(
        "user", "string", text(low=1, high=255),
        bounds=(1, 255),
        engine=process("User"),
        compose="user",
        form=FormControl(section="command", kind="text", label=_("User"), placeholder="1000:1000", row=3, column=2),
        kubernetes="containers[].securityContext.runAsUser and runAsGroup; names are refused",
        swarm="ContainerSpec.User",
    )  # fmt: skip
    working_dir: str | None = launch_field(
        "workingDir", "string", PATH,
        bounds=(1, 4096),
        engine=process("WorkingDir"),
        compose="working_dir",
        form=FormControl(
            section="command", kind="text", label=_("Working folder"), placeholder="/srv", is_code=True, row=3, column=1
        ),
        kubernetes="containers[].workingDir", swarm="ContainerSpec.Dir",
    )  # fmt: skip
    stop_signal: str | None = launch_field(
        "stopSignal", "string", check_signal,
        engine=process("StopSignal"),
        compose="stop_signal",
        kubernetes="refused: the image names its signal", swarm="ContainerSpec.StopSignal",
    )  # fmt: skip
    stop_timeout: int | None = launch_field(
        "stopTimeout", "int", integer(0, 86_400),
        engine=process("StopTimeout"),
        compose=ComposeKey("stop_grace_period", "seconds"),
        kubernetes="terminationGracePeriodSeconds", swarm="ContainerSpec.StopGracePeriod",
    )  # fmt: skip
    drain_timeout: int | None = launch_field(
        "drainTimeoutMs", "int", integer(0, MAX_DRAIN_MS),
        compose=ComposeKey("drain_timeout_ms", "rancher"),
        form=FormControl(
            section="network", kind="number", label=_("Drain timeout"), factor=1000, opens=True,
            hint=_("seconds that its stop waits for requests of balancers to end"),
        ),
        kubernetes="containers[].lifecycle.preStop: sleep for so long", swarm="refused: its routing mesh does not wait",
    )  # fmt: skip
    start_on_create: bool = launch_field(
        "startOnCreate", "boolean", default=True,
        compose=ComposeKey("start_on_create", "rancher"),
        kubernetes="replicas: 0 until it is started", swarm="Mode.Replicated.Replicas: 0 until it is started",
    )  # fmt: skip
    requested_host_id: str | None = launch_field(
        "requestedHostId", "reference[host]", text(low=1, high=255),
        form=FormControl(section="labels", kind="text", name="host", drawn=False, opens=True),
        kubernetes="nodeName", swarm="Placement.Constraints: node.id",
    )  # fmt: skip
    registry_credential_id: str | None = launch_field(
        "registryCredentialId", "reference[registryCredential]", text(low=1, high=255),
        kubernetes="imagePullSecrets", swarm="the registry authorization of the request",
    )  # fmt: skip
