"""The launch fields of what runs and what it is given: image, command, variables, ports and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.containers.launch import engine_values
from apps.containers.launch.fields.declaration import (
    ComposeKey,
    FormControl,
    harmless,
    launch_field,
    process,
    ruled,
)
from apps.containers.launch.values import (
    COMMAND,
    IDS,
    PATH,
    Mount,
    Port,
    check_exposed_port,
    check_image,
    check_port,
    check_volume,
)
from apps.core.fields import WireObject, list_of, map_text, mapping, text
from apps.core.texts import gettext_noop as _


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFields(WireObject):
    """What runs, and what it is given."""

    image_uuid: str | None = launch_field(
        "imageUuid", "string", check_image,
        engine=process("Image", assembled=True, read=engine_values.read_image),
        compose=ComposeKey("image", "own"),
        form=FormControl(section="basics", kind="own", name="image", drawn=False),
        kubernetes="containers[].image", swarm="ContainerSpec.Image",
    )  # fmt: skip
    command: tuple[str, ...] = launch_field(
        "command", "array[string]", COMMAND, (),
        engine=process("Cmd", write=list),
        compose=ComposeKey("command", "words"),
        form=FormControl(
            section="command", kind="words", label=_("Command"), placeholder="nginx -g 'daemon off;'",
            is_code=True, row=1, opens=True,
        ),
        kubernetes="containers[].args", swarm="ContainerSpec.Args",
    )  # fmt: skip
    entry_point: tuple[str, ...] = launch_field(
        "entryPoint", "array[string]", COMMAND, (),
        engine=process("Entrypoint", assembled=True),
        compose=ComposeKey("entrypoint", "own"),
        form=FormControl(section="command", kind="words", label=_("Entry point"), is_code=True, row=2, opens=True),
        kubernetes="containers[].command", swarm="ContainerSpec.Command",
    )  # fmt: skip
    environment: Mapping[str, str] = launch_field(
        "environment", "map[string]", mapping(map_text(), text(low=1, high=1024, pattern="[^=]+")), {},
        nullable=False,
        engine=process("Env", write=engine_values.write_environment, read=engine_values.read_environment),
        compose=ComposeKey("environment", "pairs"),
        form=FormControl(section="basics", kind="pairs", name="env", drawn=False),
        kubernetes="containers[].env", swarm="ContainerSpec.Env",
    )  # fmt: skip
    labels: Mapping[str, str] = launch_field(
        "labels", "map[string]", mapping(map_text()), {},
        nullable=False,
        engine=process("Labels", assembled=True),
        compose=ComposeKey("labels", "pairs"),
        form=FormControl(
            section="labels", kind="pairs", label=_("Labels"), hint=_("name=value, one per line"),
            placeholder="com.example.team=shop", area=4, row=1, opens=True,
        ),
        kubernetes="metadata.annotations of the pod: labels there allow fewer characters",
        swarm="ContainerSpec.Labels",
    )  # fmt: skip
    ports: tuple[Port, ...] = launch_field(
        "ports", "array[string]", list_of(check_port), (),
        engine=(
            harmless("PortBindings", assembled=True),
            process("ExposedPorts", assembled=True),
        ),
        inspect=engine_values.read_ports,
        compose=ComposeKey("ports", "ports"),
        form=FormControl(section="basics", kind="own", drawn=False),
        kubernetes="containers[].ports, and a Service with these ports", swarm="EndpointSpec.Ports",
    )  # fmt: skip
    expose: tuple[Port, ...] = launch_field(
        "expose", "array[string]", list_of(check_exposed_port), (),
        engine=process("ExposedPorts", assembled=True),
        inspect=engine_values.read_exposed_ports,
        compose=ComposeKey("expose", "ports"),
        kubernetes="containers[].ports", swarm="nothing: inside its network every port is open",
    )  # fmt: skip
    publish_all_ports: bool = launch_field(
        "publishAllPorts", "boolean", default=False,
        engine=harmless("PublishAllPorts", network_own=True),
        kubernetes="refused: a Service names its ports", swarm="refused: an endpoint names its ports",
    )  # fmt: skip
    data_volumes: tuple[Mount, ...] = launch_field(
        "dataVolumes", "array[string]", list_of(check_volume), (),
        engine=(
            ruled("Binds", write=engine_values.write_binds),
            ruled("Mounts", assembled=True),
            process("Volumes", write=engine_values.write_unnamed_volumes),
        ),
        inspect=engine_values.read_volumes,
        compose=ComposeKey("volumes", "own"),
        form=FormControl(
            section="volumes", kind="lines", name="volumes", label=_("Volumes"),
            hint=_("folder-or-name:/path[:ro], one per line"),
            placeholder="data:/var/lib/data\n/srv/site:/usr/share/nginx/html:ro", area=4, row=1, opens=True,
        ),
        kubernetes="volumes with volumeMounts: hostPath, persistentVolumeClaim or emptyDir",
        swarm="ContainerSpec.Mounts",
    )  # fmt: skip
    data_volumes_from: tuple[str, ...] = launch_field(
        "dataVolumesFrom", "array[reference[container]]", IDS, (),
        engine=ruled("VolumesFrom", assembled=True),
        inspect=lambda _seen: None,  # ids of the engine, which are not v1's
        kubernetes="refused: pods cannot take the volumes of another pod",
        swarm="refused: tasks cannot take the volumes of another task",
    )  # fmt: skip
    data_volumes_from_launch_configs: tuple[str, ...] = launch_field(
        "dataVolumesFromLaunchConfigs", "array[string]", IDS, (),
        compose=ComposeKey("volumes_from", "own"),
        kubernetes="volumes of the pod, mounted by both containers", swarm="refused: a task has one container",
    )  # fmt: skip
    data_volume_mounts: Mapping[str, str] = launch_field(
        "dataVolumeMounts", "map[reference[volume]]", mapping(text(low=1, high=255), PATH), {},
        kubernetes="persistentVolumeClaim with a volumeMount", swarm="ContainerSpec.Mounts",
    )  # fmt: skip
    volume_driver: str | None = launch_field(
        "volumeDriver", "string", text(high=255),
        engine=ruled("VolumeDriver"),
        inspect=engine_values.read_volume_driver,
        compose="volume_driver",
        form=FormControl(
            section="volumes", kind="text", label=_("Volume driver"), hint=_("of the named volumes"),
            placeholder="local", row=2, opens=True,
        ),
        kubernetes="refused: the storage class of a claim decides",
        swarm="ContainerSpec.Mounts[].VolumeOptions.DriverConfig.Name",
    )  # fmt: skip
    tmpfs: Mapping[str, str] = launch_field(
        "tmpfs", "map[string]", mapping(map_text(1024), PATH), {},
        engine=harmless("Tmpfs", write=dict),
        compose=ComposeKey("tmpfs", "own"),
        kubernetes="emptyDir with medium Memory", swarm="ContainerSpec.Mounts of the type tmpfs",
    )  # fmt: skip
