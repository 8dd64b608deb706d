"""Log drivers under the host policy: which may be used, with which options, and where these may lead."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.policy import CLOSED, PERMISSIVE, RESTRICTED, Policy, check
from apps.containers.policy.log_options import DRIVER_OPTIONS
from apps.core.errors import Invalid

REMOTE = Policy(log_drivers=("*",))
OWN_ADDRESSES = (
    *("127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"),  # noqa: S104
    *("169.254.169.254", "[fe80::1]", "127.1", "2130706433", "0x7f000001", "127.0.0.1.nip.io", "db", "224.0.0.1"),
)
EVERY_ADDRESS = {"syslog": "syslog-address", "gelf": "gelf-address", "fluentd": "fluentd-address"}


def log(driver: str, **options: str) -> dict[str, Any]:
    config = {name.replace("_", "-"): text for name, text in options.items()}
    return {"Image": "bb", "HostConfig": {"LogConfig": {"Type": driver, "Config": config}}}


def why(policy: Policy, body: dict[str, Any]) -> str:
    return "; ".join(f"{each.option}: {each.why}" for each in check(body, policy))


@pytest.mark.parametrize("driver", ["syslog", "gelf", "fluentd", "splunk", "awslogs", "gcplogs", "loki", "SYSLOG"])
def test_a_tenant_chooses_no_driver_that_leaves_the_engine(driver: str) -> None:
    assert f"the log driver {driver.lower()!r} may not be used" in why(RESTRICTED, log(driver))
    assert not why(PERMISSIVE, log(driver, anything="/etc/shadow"))


@pytest.mark.parametrize("driver", ["", "json-file", "local", "journald", "none"])
def test_the_engines_own_logs_are_everybodys(driver: str) -> None:
    assert not why(RESTRICTED, log(driver, **({} if driver in {"", "none"} else {"mode": "non-blocking"})))
    assert bool(why(CLOSED, log(driver))) == bool(driver)


@pytest.mark.parametrize("driver", ["", *DRIVER_OPTIONS, "json-file"])
def test_an_option_that_a_driver_does_not_have_is_refused(driver: str) -> None:
    assert "'secret-file'" in why(REMOTE, log(driver, secret_file="x"))
    assert "'MODE'" in why(REMOTE, log(driver, MODE="blocking"))


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "../../../etc/shadow", "etc/shadow", "/srv/certs/../../etc/shadow", "//etc/shadow"]
)
@pytest.mark.parametrize("option", ["syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "splunk-capath"])
def test_an_option_that_names_a_file_is_access_to_the_host(option: str, path: str) -> None:
    body = log(option.partition("-")[0], **{option: path})
    assert "may not be mounted" in why(Policy(log_drivers=("*",), bind_folders=("/srv/certs",)), body)
    assert not why(Policy(log_drivers=("*",), bind_mounts=True), body)


@pytest.mark.parametrize("host", OWN_ADDRESSES)
@pytest.mark.parametrize("driver", EVERY_ADDRESS)
def test_output_goes_to_no_service_of_the_host(driver: str, host: str) -> None:
    for scheme in ("tcp://", "udp://", "TCP://", "tcp+tls://", ""):
        body = log(driver, **{EVERY_ADDRESS[driver]: f"{scheme}{host}:6379"})
        assert "must be the IP address of another machine" in why(REMOTE, body), body
        assert not why(Policy(log_drivers=("*",), host_network=True), body)


@pytest.mark.parametrize("driver", EVERY_ADDRESS)
def test_output_goes_to_another_machine(driver: str) -> None:
    for address in ("tcp://203.0.113.9:514", "udp://[2001:db8::9]:514", "203.0.113.9:514"):
        assert not why(REMOTE, log(driver, **{EVERY_ADDRESS[driver]: address}))


@pytest.mark.parametrize("scheme", ["unix", "UNIX", "unixgram", "UnixGram", "file", "unixpacket"])
def test_a_socket_is_a_file_of_the_host_in_any_case_of_letters(scheme: str) -> None:
    body = log("syslog", **{"syslog-address": f"{scheme}:///var/run/docker.sock"})
    assert "/var/run/docker.sock may not be mounted" in why(Policy(log_drivers=("*",), host_network=True), body)
    assert not why(Policy(log_drivers=("*",), bind_folders=("/var/run/docker.sock",)), body)


def test_other_schemes_and_half_addresses_are_refused() -> None:
    for address in ("gopher://203.0.113.9:70", "tcp://[::1", "tcp://", "vsock://2:22"):
        assert why(REMOTE, log("syslog", **{"syslog-address": address}))


def test_without_an_address_fluentd_is_the_hosts_own() -> None:
    assert "fluentd-address" in why(REMOTE, log("fluentd"))


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "\x00", "\x1b[2J", "\x85", "a\u2028b", "\x7f"])
def test_control_characters_are_refused_to_everybody(text: str) -> None:
    for policy in (RESTRICTED, PERMISSIVE):
        assert "control characters" in why(policy, log("json-file", tag=text))
        assert "control characters" in why(policy, log("json-file", **{text: "x"}))
    for config in ({"tag": text}, {f"tag{text}": "x"}):
        with pytest.raises(Invalid) as refused:
            LaunchConfig.from_wire({"imageUuid": "docker:bb", "logConfig": {"driver": "json-file", "config": config}})
        assert refused.value.field == "logConfig.config"


@pytest.mark.parametrize(
    "tag", ['{{"\\r\\nSET a b\\r\\n"}}', "{{.Command}}", "{{printf `%c` 10}}", "{{.ContainerEnv}}", "x{{.Name}}{{"]
)
def test_a_tag_is_no_program(tag: str) -> None:
    assert "a tag may hold" in why(RESTRICTED, log("json-file", tag=tag))
    assert not why(PERMISSIVE, log("json-file", tag=tag))


@pytest.mark.parametrize("tag", ["web", "{{.Name}}/{{.ID}}", "{{ .ImageName }}-x", "100 %"])
def test_a_tag_may_hold_the_containers_names(tag: str) -> None:
    assert not why(RESTRICTED, log("journald", tag=tag))


@pytest.mark.parametrize("path", ["/etc/shadow", "/dev/../etc/shadow", "/dev", "/devices/x", "/dev/a\nb"])
def test_limits_of_block_devices_ask_the_engine_of_no_other_file(path: str) -> None:
    with pytest.raises(Invalid) as refused:
        LaunchConfig.from_wire({"imageUuid": "docker:bb", "blkioDeviceOptions": {path: {"readBps": 1}}})
    assert refused.value.field == "blkioDeviceOptions"
