"""One suite for every kind of engine: what the simulated one does, a real Docker does too."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from apps.drivers.base import (
    CreateRequest,
    Driver,
    Endpoint,
    EngineConflict,
    EngineContainer,
    EngineDown,
    EngineError,
    EngineNotFound,
    EngineRefused,
    ImageMissing,
)
from apps.drivers.docker.engine import DockerDriver
from apps.drivers.simulated.engine import SimulatedDriver
from tests.drivers.conformance import make, wait_until


def test_an_engine_says_what_it_is(driver: Driver) -> None:
    driver.ping()
    info = driver.info()
    assert info.engine_id
    assert info.api_version.startswith("1.")
    assert info.cpus > 0
    assert info.memory > 2**20


def test_a_container_lives_and_goes(driver: Driver) -> None:
    made = make(driver, start=False)
    assert driver.inspect(made).state == "created"
    assert driver.inspect("web").id == made
    driver.start(made)
    seen = driver.inspect(made)
    assert (seen.state, seen.exit_code, seen.name) == ("running", None, "web")
    assert seen.started_at > seen.created
    assert seen.finished_at == ""
    assert seen.networks["bridge"]
    time.sleep(0.5)  # a shell that has not set its trap yet does not see the signal at all
    driver.stop(made, timeout=5)
    stopped = driver.inspect(made)
    assert (stopped.state, stopped.exit_code) == ("exited", 0)
    assert stopped.finished_at > stopped.started_at
    driver.restart(made, timeout=5)
    assert driver.inspect(made).started_at > stopped.started_at
    driver.remove(made)
    with pytest.raises(EngineNotFound):
        driver.inspect(made)


def test_a_container_stands_to_its_host_as_its_body_says(driver: Driver) -> None:
    rules = ["c 1:3 mr"]
    asked = {"UTSMode": "host", "UsernsMode": "host", "CgroupnsMode": "host", "DeviceCgroupRules": rules}
    seen = driver.inspect(make(driver, HostConfig=asked)).raw["HostConfig"]
    assert {key: seen[key] for key in asked} == asked


def test_an_image_of_another_platform_counts_as_missing(driver: Driver) -> None:
    with pytest.raises(ImageMissing):
        driver.create(CreateRequest("web", {"Image": "bb:local", "Cmd": ["true"]}, "linux/s390x"))
    assert driver.containers() == []


@pytest.mark.parametrize(
    "body", [{"HostConfig": {"Runtime": "none-such"}}, {"Hostname": "web", "HostConfig": {"UTSMode": "host"}}]
)
def test_what_no_engine_can_honour_of_a_host_is_refused(driver: Driver, body: dict[str, Any]) -> None:
    with pytest.raises(EngineRefused):
        make(driver, start=False, **body)
    assert driver.containers() == []


def test_what_is_done_already_is_no_error(driver: Driver) -> None:
    made = make(driver)
    driver.start(made)
    driver.stop(made, timeout=5)
    driver.stop(made, timeout=5)
    driver.remove(made)
    driver.remove(made)


def test_a_listing_shows_all_that_a_glance_needs(driver: Driver) -> None:
    make(driver, "on", Labels={"team": "red"}, HostConfig={"PortBindings": {"80/tcp": [{"HostPort": ""}]}})
    make(driver, "off", start=False)
    seen = {one.name: one for one in driver.containers()}
    assert {name: one.state for name, one in seen.items()} == {"on": "running", "off": "created"}
    assert seen["on"].labels == {"team": "red"}
    assert seen["on"].image == "bb:local"
    assert seen["on"].ports == driver.inspect("on").ports
    assert seen["on"].networks == driver.inspect("on").networks


def test_a_container_is_found_by_its_label(driver: Driver) -> None:
    make(driver, "one", start=False, Labels={"uuid": "1"})
    two = make(driver, "two", start=False, Labels={"uuid": "2"})
    found = driver.find("uuid", "2")
    assert found is not None
    assert found.id == two
    assert found.raw["Id"] == two
    assert driver.find("uuid", "3") is None


def test_a_name_is_given_once(driver: Driver) -> None:
    first = make(driver, start=False)
    with pytest.raises(EngineConflict, match="already in use"):
        make(driver, start=False)
    second = make(driver, "other", start=False)
    with pytest.raises(EngineConflict, match="already in use"):
        driver.rename(second, "web")
    driver.rename(first, "free")
    driver.rename(second, "web")
    assert driver.inspect("web").id == second


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("a b", {}, "Invalid container name"),
        ("a", {}, "Invalid container name"),
        ("web", {"Env": ["=x"]}, "invalid environment variable"),
        ("web", {"WorkingDir": "here"}, "absolute path"),
        ("web", {"HostConfig": {"Memory": 5}}, "6MB"),
        ("web", {"HostConfig": {"Memory": 2**24, "MemorySwap": 2**23}}, "memoryswap"),
        ("web", {"HostConfig": {"RestartPolicy": {"Name": "perhaps"}}}, "invalid restart policy"),
        ("web", {"HostConfig": {"RestartPolicy": {"Name": "always"}, "AutoRemove": True}}, "AutoRemove"),
        ("web", {"HostConfig": {"Binds": ["a/b:/x"]}}, "invalid characters"),
        ("web", {"HostConfig": {"Binds": ["/a:x"]}}, "must be absolute"),
        ("web", {"HostConfig": {"Binds": ["/a:/x:often"]}}, "invalid mode"),
        ("web", {"HostConfig": {"Binds": ["/a:/x", "/b:/x"]}}, "Duplicate mount point"),
        ("web", {"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}}, "invalid port"),
    ],
)
def test_a_wrong_request_is_refused_with_words(driver: Driver, name: str, body: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineRefused, match=words) as refusal:
        make(driver, name, start=False, **body)
    assert not refusal.value.retry
    assert "Client Error" not in str(refusal.value)
    assert driver.containers() == []


def test_fields_that_the_engine_does_not_know_are_let_through(driver: Driver) -> None:
    make(driver, start=False, Unheard={"of": 1}, HostConfig={"Neither": True})


def test_a_missing_image_has_an_error_of_its_own(driver: Driver) -> None:
    with pytest.raises(ImageMissing, match=r"No such image: none:latest"):
        make(driver, Image="none")
    assert driver.find_image("none") is None
    assert driver.find_volume("none") is None
    assert driver.find_image("bb:local") is not None
    assert "bb:local" in {tag for image in driver.images() for tag in image.tags}


def test_an_image_in_use_stays(driver: Driver) -> None:
    make(driver, start=False)
    with pytest.raises(EngineConflict, match="unable to remove"):
        driver.remove_image("bb:local")
    with pytest.raises(EngineNotFound, match="No such image"):
        driver.remove_image("bb:never")


def test_a_pull_that_fails_says_why(driver: Driver) -> None:
    with pytest.raises(EngineError, match=r"connection refused|pull access denied"):
        list(driver.pull("127.0.0.1:1/x:1", {"username": "u", "password": "p"}))


@pytest.mark.parametrize("call", ["inspect", "start", "stop", "restart", "kill", "logs", "stats"])
def test_nothing_can_be_done_with_a_missing_container(driver: Driver, call: str) -> None:
    with pytest.raises(EngineNotFound, match="No such container: nobody"):
        getattr(driver, call)("nobody")


def test_what_does_not_run_cannot_be_killed_or_entered(driver: Driver) -> None:
    made = make(driver, start=False)
    with pytest.raises(EngineConflict, match="is not running"):
        driver.kill(made)
    with pytest.raises(EngineConflict, match="is not running"):
        driver.exec(made, ["true"])


def test_a_running_container_is_removed_by_force_only(driver: Driver) -> None:
    made = make(driver)
    with pytest.raises(EngineConflict, match="cannot remove a running container"):
        driver.remove(made, force=False)
    driver.remove(made)
    assert driver.containers() == []


def test_what_was_killed_is_not_brought_back(driver: Driver) -> None:
    made = make(driver, HostConfig={"RestartPolicy": {"Name": "always"}})
    driver.kill(made)
    wait_until(lambda: driver.inspect(made).state == "exited")
    assert driver.inspect(made).exit_code == 137


def test_a_command_that_ends_leaves_its_exit_code(driver: Driver) -> None:
    made = make(driver, Cmd=["sh", "-c", "exit 3"])
    wait_until(lambda: driver.inspect(made).state == "exited")
    assert driver.inspect(made).exit_code == 3


def test_a_port_is_published_once(driver: Driver) -> None:
    def publish(port: str) -> dict[str, Any]:
        return {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": port}]}}}

    make(driver, "one", **publish("18421"))
    two = make(driver, "two", start=False, **publish("18421"))
    with pytest.raises(EngineConflict, match="port is already allocated"):
        driver.start(two)
    assert driver.inspect(two).state == "created"
    assert "already allocated" in driver.inspect(two).error
    driver.remove("one")
    driver.start(two)
    port = driver.inspect(two).ports[0]
    assert (port.private, port.protocol, port.public) == (80, "tcp", 18421)


def test_an_unspecified_port_is_chosen_by_the_engine(driver: Driver) -> None:
    exposed: dict[str, Any] = {"80/tcp": {}, "53/udp": {}}
    made = make(driver, ExposedPorts=exposed, HostConfig={"PortBindings": {"80/tcp": [{"HostPort": ""}]}})
    ports = {(port.private, port.protocol): port.public for port in driver.inspect(made).ports}
    assert (ports[80, "tcp"] or 0) > 1024
    assert ports[53, "udp"] is None


def test_a_network_is_made_once_and_gives_addresses(driver: Driver) -> None:
    results: list[str] = []

    def ask() -> None:
        results.append(driver.ensure_network("lab-net", {"of": "lab"}))

    callers = [threading.Thread(target=ask) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert len(results) == 6
    assert len(set(results)) == 1
    one, two = (make(driver, name, HostConfig={"NetworkMode": "lab-net"}) for name in ("one", "two"))
    addresses = {driver.inspect(made).networks["lab-net"] for made in (one, two)}
    assert len(addresses - {""}) == 2
    with pytest.raises(EngineConflict, match="active endpoints"):
        driver.remove_network("lab-net")
    for made in (one, two):
        driver.remove(made)
    driver.remove_network("lab-net")
    driver.remove_network("lab-net")


def test_a_container_needs_the_network_it_names(driver: Driver) -> None:
    made = make(driver, start=False, HostConfig={"NetworkMode": "nowhere"})
    with pytest.raises(EngineNotFound, match="network nowhere not found"):
        driver.start(made)


def test_a_container_shares_the_network_of_a_peer_that_is_there(driver: Driver) -> None:
    made = make(driver, start=False, HostConfig={"NetworkMode": "container:nobody"})
    with pytest.raises(EngineNotFound, match="No such container: nobody"):
        driver.start(made)
    make(driver, "peer")
    make(driver, "guest", HostConfig={"NetworkMode": "container:peer"})


def test_many_threads_share_one_driver(driver: Driver) -> None:
    failures: list[BaseException] = []

    def live(number: int) -> None:
        try:
            made = make(driver, f"box{number}")
            assert driver.inspect(made).state == "running"
            driver.remove(made)
        except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert driver.containers() == []


@pytest.mark.parametrize(
    "url", ["unix:///nowhere/engine.sock", "tcp://127.0.0.1:1", pytest.param("sim", id="a simulated one")]
)
def test_an_engine_that_is_away_is_noticed_at_once(url: str) -> None:
    driver: Driver
    if url == "sim":
        driver = simulated = SimulatedDriver("away")
        simulated.down = True
    else:
        driver = DockerDriver(Endpoint(url))
    begun = time.monotonic()
    for call in (driver.ping, driver.info, driver.containers, driver.events, lambda: driver.inspect("x")):
        with pytest.raises(EngineDown, match="cannot be reached"):
            call()
    assert time.monotonic() - begun < 2


def test_an_inspection_holds_what_adopting_needs(driver: Driver) -> None:
    seen: EngineContainer = driver.inspect(make(driver, Env=["A=1"], HostConfig={"Binds": ["vol:/data:ro"]}))
    assert "A=1" in seen.raw["Config"]["Env"]
    assert seen.raw["HostConfig"]["Binds"] == ["vol:/data:ro"]
    mount = seen.mounts[0]
    assert (mount.kind, mount.name, mount.target, mount.writable) == ("volume", "vol", "/data", False)
