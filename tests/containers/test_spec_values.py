"""Images, ports and volumes as people and clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.values import Mount, Port, fixed_ports, image_uuid
from apps.core.errors import Invalid

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "reference",
    [
        "nginx",
        "nginx:1.27-alpine",
        "library/nginx",
        "a__b/c-d.e_f",
        "registry.example:5000/team/app:v1",
        "localhost/app",
        "[::1]:5000/app",
        f"app@{DIGEST}",
        f"app:tag@{DIGEST}",
        DIGEST,
        "docker:dind",
    ],
)
def test_an_image_reference_is_taken(reference: str) -> None:
    assert image_uuid(f" {reference} ") == f"docker:{reference}"
    assert LaunchConfig.from_wire({"imageUuid": f"docker:{reference}"}).image == reference


@pytest.mark.parametrize(
    "reference",
    [
        *("", "Nginx", "team/App:1", "a b", "nginx:", ":tag", "nginx:-x", "a//b", "/a", "a/", "nginx@sha256:12", "-a"),
        *("ą", "https://nginx", "nginx;rm", "a" * 256, "a" * 5000),
    ],
)
def test_an_invalid_image_reference_is_refused(reference: str) -> None:
    with pytest.raises(Invalid) as refusal:
        image_uuid(reference)
    assert (refusal.value.field, refusal.value.code) == ("imageUuid", "InvalidReference")


def test_an_upper_case_image_name_is_explained() -> None:
    with pytest.raises(Invalid, match="lower-case"):
        image_uuid("team/App:1")


def test_a_simulated_image_keeps_its_kind() -> None:
    assert image_uuid("sim:123") == "sim:123"


@pytest.mark.parametrize("value", ["nginx", "nginx:1", "docker:", "vm:x", "", "docker:A", 7])
def test_an_image_without_a_known_kind_is_refused(value: object) -> None:
    with pytest.raises(Invalid) as refusal:
        LaunchConfig.from_wire({"imageUuid": value})
    assert refusal.value.field == "imageUuid"


def test_the_image_of_a_service_without_containers_needs_no_kind() -> None:
    assert LaunchConfig.from_wire({"imageUuid": "rancher/none"}).image_uuid == "docker:rancher/none"


@pytest.mark.parametrize(
    ("text", "port", "written"),
    [
        ("80", Port(80), "80/tcp"),
        ("80/udp", Port(80, "udp"), "80/udp"),
        ("80/TCP", Port(80), "80/tcp"),
        ("8080:80", Port(80, "tcp", 8080), "8080:80/tcp"),
        ("10.0.0.1:8080:80", Port(80, "tcp", 8080, "10.0.0.1"), "10.0.0.1:8080:80/tcp"),
        ("10.0.0.1::80", Port(80, "tcp", None, "10.0.0.1"), "10.0.0.1::80/tcp"),
        ("[::1]:53:53/udp", Port(53, "udp", 53, "::1"), "[::1]:53:53/udp"),
        ("80/sctp", Port(80, "sctp"), "80/sctp"),
        ("8080-8083:80", Port(80, choice=(8080, 8083)), "8080-8083:80/tcp"),
        ("8080-8080:80", Port(80, "tcp", 8080), "8080:80/tcp"),
    ],
)
def test_a_port_is_read_and_written(text: str, port: Port, written: str) -> None:
    assert Port.parse(text) == port
    assert str(port) == written


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "PortWrongFormat"),
        ("x", "PortWrongFormat"),
        ("0", "PortWrongFormat"),
        ("65536", "PortWrongFormat"),
        ("0:80", "PortWrongFormat"),
        ("70000:80", "PortWrongFormat"),
        (":80", "PortWrongFormat"),
        ("80:", "PortWrongFormat"),
        ("1:2:3:4", "PortWrongFormat"),
        ("host:1:2", "PortWrongFormat"),
        ("::1:80:80", "PortWrongFormat"),
        ("80-90", "PortWrongFormat"),
        ("8083-8080:80", "PortWrongFormat"),
        ("-8080:80", "PortWrongFormat"),
        ("8080-70000:80", "PortWrongFormat"),
        ("80/icmp", "PortInvalidProtocol"),
        ("80/", "PortInvalidProtocol"),
        ("٣", "PortWrongFormat"),
    ],
)
def test_an_invalid_port_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        LaunchConfig.from_wire({"imageUuid": "docker:a", "ports": [text]})
    assert (refusal.value.field, refusal.value.code) == ("ports", code)


@given(
    st.builds(
        Port,
        st.integers(1, 65535),
        st.sampled_from(["tcp", "udp"]),
        st.none() | st.integers(1, 65535),
        st.just("") | st.ip_addresses().map(str),
    )
)
def test_every_port_survives_its_text(port: Port) -> None:
    assert Port.parse(str(port)) == port


def test_only_ports_with_a_public_side_must_be_free() -> None:
    assert fixed_ports([Port(1), Port(2, "udp", 3), Port(4, "tcp", 5, "::1")]) == {("", 3, "udp"), ("::1", 5, "tcp")}


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("/data", Mount("/data")),
        ("/data:ro", Mount("/data", "", "ro")),
        ("/host:/data", Mount("/data", "/host")),
        ("/:/host:ro", Mount("/host", "/", "ro")),
        ("name.1:/data:rw,z", Mount("/data", "name.1", "rw,z")),
    ],
)
def test_a_volume_is_read_and_written(text: str, volume: Mount) -> None:
    assert Mount.parse(text) == volume
    assert str(volume) == text
    assert volume.is_bind == (text.count("/") > 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "InvalidFormat"),
        ("data", "InvalidFormat"),
        ("a:b", "InvalidFormat"),
        (":/data", "InvalidFormat"),
        ("/data:", "InvalidFormat"),
        ("/a:/", "InvalidFormat"),
        ("/a:/b:ro:x", "InvalidFormat"),
        ("../a:/b", "InvalidFormat"),
        ("~/a:/b", "InvalidFormat"),
        ("a b:/b", "InvalidFormat"),
        ("/a:/b:exec", "InvalidOption"),
        ("/" + "a" * 5000, "InvalidFormat"),
    ],
)
def test_an_invalid_volume_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        LaunchConfig.from_wire({"imageUuid": "docker:a", "dataVolumes": [text]})
    assert (refusal.value.field, refusal.value.code) == ("dataVolumes", code)
