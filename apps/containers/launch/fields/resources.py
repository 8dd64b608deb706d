"""The launch fields of keeping it alive and within limits: restarts, checks, output, memory, processors, disks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.containers.launch import engine_values
from apps.containers.launch.engine_checks import check_storage_options
from apps.containers.launch.fields.declaration import (
    ComposeKey,
    FormControl,
    harmless,
    launch_field,
    process,
    ruled,
)
from apps.containers.launch.fields.network import NetworkFields
from apps.containers.launch.values import (
    BLOCK_DEVICE,
    SIZE,
    BlkioDevice,
    DockerHealthCheck,
    HealthCheck,
    LogConfig,
    RestartPolicy,
    Ulimit,
    check_log_config,
)
from apps.core.fields import integer, list_of, mapping, nested, text
from apps.core.texts import gettext_noop as _

_MIB = 1024 * 1024
_BILLIONTHS = 10**9
MAX_MILLI_CPU = 1_000_000
_NOT_PER_POD = "refused: the kubelet decides for all pods of a node"
_NOT_IN_SWARM = "refused: swarm has no such field"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFields(NetworkFields):
    """What keeps it running, and how much of the machine it may use."""

    restart_policy: RestartPolicy | None = launch_field(
        "restartPolicy", "restartPolicy", nested(RestartPolicy),
        engine=harmless(
            "RestartPolicy", write=engine_values.write_restart_policy, read=engine_values.read_restart_policy
        ),
        compose=ComposeKey("restart", "own"),
        form=FormControl(
            section="command", kind="own", name="restart", drawn=False,
            parts=(("maximumRetryCount", "restartCount"),),
        ),
        kubernetes="restartPolicy of a Job; a Deployment always restarts", swarm="RestartPolicy",
    )  # fmt: skip
    health_check: HealthCheck | None = launch_field(
        "healthCheck", "instanceHealthCheck", nested(HealthCheck),
        compose=ComposeKey("health_check", "rancher"),
        form=FormControl(
            section="health", kind="own", name="checkPort", drawn=False, opens=True,
            parts=(("requestLine", "checkPath"),),
        ),
        kubernetes="containers[].readinessProbe and livenessProbe",
        swarm="refused: swarm runs checks inside the container only",
    )  # fmt: skip
    docker_health_check: DockerHealthCheck | None = launch_field(
        "dockerHealthCheck", "dockerHealthCheck", nested(DockerHealthCheck),
        engine=process("Healthcheck", write=engine_values.write_health_check, read=engine_values.read_health_check),
        compose=ComposeKey("healthcheck", "own"),
        form=FormControl(section="health", kind="own", name="checkCommand", drawn=False, opens=True),
        kubernetes="containers[].livenessProbe.exec", swarm="ContainerSpec.HealthCheck",
    )  # fmt: skip
    log_config: LogConfig | None = launch_field(
        "logConfig", "logConfig", check_log_config,
        engine=ruled("LogConfig", write=engine_values.write_log_config, read=engine_values.read_log_config),
        compose=(
            ComposeKey("logging", "own"),
            ComposeKey("log_driver", "own", written=False),
            ComposeKey("log_opt", "own", written=False),
        ),
        form=FormControl(
            section="command", kind="own", name="logDriver", drawn=False, parts=(("config", "logOptions"),)
        ),
        kubernetes="refused: the nodes of a cluster collect all output the same way", swarm="LogDriver",
    )  # fmt: skip
    memory: int | None = launch_field(
        "memory", "int", SIZE,
        engine=harmless("Memory"),
        compose=ComposeKey("mem_limit", "size"),
        form=FormControl(
            section="limits", kind="number", label=_("Memory"), hint="MB", placeholder=_("no limit"), factor=_MIB,
            row=1, column=1, opens=True,
        ),
        kubernetes="containers[].resources.limits.memory", swarm="Resources.Limits.MemoryBytes",
    )  # fmt: skip
    memory_swap: int | None = launch_field(
        "memorySwap", "int", integer(-1),
        engine=harmless("MemorySwap"),
        compose=ComposeKey("memswap_limit", "size"),
        form=FormControl(
            section="limits", kind="number", label=_("Memory and swap"), hint="MB", placeholder=_("-1: no limit"),
            factor=_MIB, row=1, column=2,
        ),
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    memory_reservation: int | None = launch_field(
        "memoryReservation", "int", SIZE,
        engine=harmless("MemoryReservation"),
        compose=ComposeKey("mem_reservation", "size"),
        form=FormControl(
            section="limits", kind="number", label=_("Reserved memory"), hint="MB", placeholder=_("none"),
            factor=_MIB, row=3, column=1, opens=True,
        ),
        kubernetes="containers[].resources.requests.memory", swarm="Resources.Reservations.MemoryBytes",
    )  # fmt: skip
    milli_cpu_reservation: int | None = launch_field(
        "milliCpuReservation", "int", integer(0, MAX_MILLI_CPU),
        compose="milli_cpu_reservation",
        form=FormControl(
            section="limits", kind="number", name="reservedCpus", label=_("Reserved CPUs"), placeholder=_("none"),
            factor=1000, row=3, column=2, opens=True,
        ),
        kubernetes="containers[].resources.requests.cpu", swarm="Resources.Reservations.NanoCPUs",
    )  # fmt: skip
    cpu_shares: int | None = launch_field(
        "cpuShares", "int", SIZE,
        engine=harmless("CpuShares"),
        compose="cpu_shares",
        form=FormControl(
            section="limits", kind="number", label=_("CPU shares"), placeholder="1024", row=1, column=5
        ),
        kubernetes="containers[].resources.requests.cpu, 1024 to a processor", swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    cpu_set: str | None = launch_field(
        "cpuSet", "string", text(high=1024, pattern=r"[0-9,-]*", hint="write it as in 0-3,6"),
        engine=harmless("CpusetCpus"),
        compose="cpuset",
        form=FormControl(
            section="limits", kind="text", label=_("CPU set"), hint=_("cores"),
            placeholder="0-3,6", row=1, column=4,
        ),
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    cpu_period: int | None = launch_field(
        "cpuPeriod", "int", SIZE,
        engine=harmless("CpuPeriod"),
        compose="cpu_period",
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    cpu_quota: int | None = launch_field(
        "cpuQuota", "int", integer(-1),
        engine=harmless("CpuQuota"),
        compose="cpu_quota",
        kubernetes="containers[].resources.limits.cpu, together with the period",
        swarm="Resources.Limits.NanoCPUs, together with the period",
    )  # fmt: skip
    cpu_realtime_period: int | None = launch_field(
        "cpuRealtimePeriod", "int", SIZE,
        engine=ruled("CpuRealtimePeriod"),
        compose=ComposeKey("cpu_rt_period", "microseconds"),
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    cpu_realtime_runtime: int | None = launch_field(
        "cpuRealtimeRuntime", "int", SIZE,
        engine=ruled("CpuRealtimeRuntime"),
        compose=ComposeKey("cpu_rt_runtime", "microseconds"),
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    nano_cpus: int | None = launch_field(
        "nanoCpus", "int", SIZE,
        engine=harmless("NanoCpus"),
        compose=ComposeKey("cpus", "cpus"),
        form=FormControl(
            section="limits", kind="number", name="cpus", label=_("CPUs"), placeholder=_("no limit"),
            factor=_BILLIONTHS, row=1, column=3, opens=True,
        ),
        kubernetes="containers[].resources.limits.cpu", swarm="Resources.Limits.NanoCPUs",
    )  # fmt: skip
    pids_limit: int | None = launch_field(
        "pidsLimit", "int", integer(-1),
        engine=harmless("PidsLimit"),
        compose="pids_limit",
        form=FormControl(
            section="limits", kind="number", label=_("Processes"), placeholder=_("no limit"), row=1, column=6
        ),
        kubernetes=_NOT_PER_POD, swarm="Resources.Limits.Pids",
    )  # fmt: skip
    oom_score: int | None = launch_field(
        "oomScoreAdj", "int", integer(-1000, 1000),
        engine=ruled("OomScoreAdj"),
        compose="oom_score_adj",
        form=FormControl(
            section="limits", kind="number", label=_("OOM score"), placeholder="0",
            hint=_("-1000 to 1000: the highest is killed first when memory runs out"),
        ),
        kubernetes="refused: the kubelet derives it from the pod's quality of service",
        swarm="ContainerSpec.OomScoreAdj",
    )  # fmt: skip
    shm_size: int | None = launch_field(
        "shmSize", "int", SIZE,
        engine=harmless("ShmSize", read=engine_values.read_shm_size),
        compose=ComposeKey("shm_size", "size"),
        form=FormControl(
            section="limits", kind="number", label=_("Shared memory"), hint="MB", placeholder="64", factor=_MIB,
            row=1, column=7,
        ),
        kubernetes="emptyDir with medium Memory at /dev/shm", swarm="ContainerSpec.Mounts: tmpfs at /dev/shm",
    )  # fmt: skip
    blkio_weight: int | None = launch_field(
        "blkioWeight", "int", integer(0, 1000),
        engine=harmless("BlkioWeight"),
        compose=ComposeKey("blkio_config", "own"),
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    blkio_devices: Mapping[str, BlkioDevice] = launch_field(
        "blkioDeviceOptions", "map[blkioDeviceOption]", mapping(nested(BlkioDevice), BLOCK_DEVICE), {},
        engine=tuple(
            harmless(key, write=engine_values.block_device_writer(attribute, unit))
            for key, (_name, attribute, unit) in engine_values.BLOCK_DEVICE_KEYS.items()
        ),
        inspect=engine_values.read_block_devices,
        compose=ComposeKey("blkio_config", "own"),
        kubernetes=_NOT_PER_POD, swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    storage_options: Mapping[str, str] = launch_field(
        "storageOpt", "map[string]", check_storage_options, {},
        engine=harmless("StorageOpt", write=dict),
        compose=ComposeKey("storage_opt", "pairs"),
        kubernetes="containers[].resources.limits.ephemeral-storage for the size; any other is refused",
        swarm=_NOT_IN_SWARM,
    )  # fmt: skip
    ulimits: tuple[Ulimit, ...] = launch_field(
        "ulimits", "array[ulimit]", list_of(nested(Ulimit)), (),
        engine=harmless("Ulimits", write=engine_values.write_ulimits, read=engine_values.read_ulimits),
        compose=ComposeKey("ulimits", "own"),
        kubernetes=_NOT_PER_POD, swarm="ContainerSpec.Ulimits",
    )  # fmt: skip
