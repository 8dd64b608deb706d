"""Compose files become services; what is wrong is refused with its line."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.stacks.compose import ComposeService, parse
from apps.stacks.compose.nested_keys import KEYS_OF_COMPOSE
from apps.stacks.compose.service_keys import KEY_READERS


def one(body: str, rancher: str = "", **variables: str) -> ComposeService:
    """The service `web` with these keys beside its image."""
    text = "web:\n  image: nginx\n" + "".join(f"  {line}\n" for line in dedent(body).strip().splitlines())
    (service,) = parse(text, rancher, variables).services
    return service


def refusal(text: str, rancher: str = "", **variables: str) -> Invalid:
    with pytest.raises(Invalid) as found:
        parse(text, rancher, variables)
    return found.value


def test_the_first_form_of_the_file_is_read() -> None:
    stack = parse("db:\n  image: postgres:16\nweb:\n  image: nginx\n  links:\n  - db\n  - db:store\n")
    assert [each.name for each in stack.services] == ["db", "web"]
    assert stack.services[0].config.image_uuid == "docker:postgres:16"
    assert stack.services[1].links == (("db", "db"), ("db", "store"))
    assert stack.services[1].scale == 1
    assert stack.warnings == ()


@pytest.mark.parametrize("head", ['version: "2"\n', "version: 3.8\n", "", "name: shop\n", "x-more: {a: 1}\n"])
def test_the_later_forms_of_the_file_are_read(head: str) -> None:
    stack = parse(head + "services:\n  web:\n    image: nginx\n")
    assert [each.name for each in stack.services] == ["web"]
    assert stack.warnings == ()


@pytest.mark.parametrize("text", ["", "# nothing\n", "version: '2'\nservices: {}\n"])
def test_no_services_are_no_error(text: str) -> None:
    assert parse(text).services == ()


KEYS: list[tuple[str, dict[str, Any]]] = [
    ("image: sim:7", {"imageUuid": "sim:7"}),
    ("command: nginx -g 'daemon off;'", {"command": ["nginx", "-g", "daemon off;"]}),
    ("command: [a, 1]", {"command": ["a", "1"]}),
    ("command:", {}),
    ("entrypoint: /init", {"entryPoint": ["/init"]}),
    ("environment: {A: 1.10, B: yes, C: '', D: 010}", {"environment": {"A": "1.10", "B": "yes", "C": "", "D": "010"}}),
    ("environment: [A=b=c, B=]", {"environment": {"A": "b=c", "B": ""}}),
    ("labels: [a=b, c]", {"labels": {"a": "b", "c": ""}}),
    ("labels: {a: 'true', b: }", {"labels": {"a": "true", "b": ""}}),
    ("ports: [80, '22:22', '127.0.0.1::81/udp']", {"ports": ["80/tcp", "22:22/tcp", "127.0.0.1::81/udp"]}),
    ("ports: [22:22]", {"ports": ["22:22/tcp"]}),
    ("ports: ['[::1]:1:2']", {"ports": ["[::1]:1:2/tcp"]}),
    ("ports: ['3000-3001', '8000-8001:80-81/udp']", {"ports": ["3000/tcp", "3001/tcp", "8000:80/udp", "8001:81/udp"]}),
    ("ports: [{target: 80}]", {"ports": ["80/tcp"]}),
    ("ports: [{target: 80, published: 81, protocol: udp, mode: host}]", {"ports": ["81:80/udp"]}),
    ("ports: [{target: 80, published: 81, host_ip: '::1'}]", {"ports": ["[::1]:81:80/tcp"]}),
    ("ports: [{target: 80, host_ip: 10.0.0.1}]", {"ports": ["10.0.0.1::80/tcp"]}),
    ("expose: [80, 90-91/udp]", {"expose": ["80/tcp", "90/udp", "91/udp"]}),
    ("volumes: [/a, b:/c:ro, /d:/e]", {"dataVolumes": ["/a", "b:/c:ro", "/d:/e"]}),
    ("volumes: [{type: bind, source: /a, target: /b, read_only: true}]", {"dataVolumes": ["/a:/b:ro"]}),
    (
        "volumes: [{type: bind, source: /a, target: /b, bind: {propagation: rslave}}]",
        {"dataVolumes": ["/a:/b:rslave"]},
    ),
    (
        "volumes: [{source: v, target: /b, volume: {nocopy: true}}, {target: /c}]",
        {"dataVolumes": ["v:/b:nocopy", "/c"]},
    ),
    ("volumes: [{type: tmpfs, target: /t}]", {"tmpfs": {"/t": ""}}),
    ("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m}}]", {"tmpfs": {"/t": "size=1048576"}}),
    ("tmpfs: /t", {"tmpfs": {"/t": ""}}),
    ("tmpfs: ['/t:size=1m']", {"tmpfs": {"/t": "size=1m"}}),
    ("restart: always", {"restartPolicy": {"name": "always", "maximumRetryCount": 0}}),
    ("restart: no", {"restartPolicy": {"name": "no", "maximumRetryCount": 0}}),
    ("restart: always:0", {"restartPolicy": {"name": "always", "maximumRetryCount": 0}}),
    ("restart: on-failure:3", {"restartPolicy": {"name": "on-failure", "maximumRetryCount": 3}}),
    ("net: host", {"networkMode": "host"}),
    ("network_mode: default", {}),
    ("network_mode: none", {"networkMode": "none"}),
    ("mem_limit: 64m", {"memory": 64 << 20}),
    ("mem_limit: 1.5gb", {"memory": 1610612736}),
    ("memswap_limit: -1", {"memorySwap": -1}),
    ("mem_reservation: 8192 KiB", {"memoryReservation": 8 << 20}),
    ("shm_size: 100", {"shmSize": 100}),
    ("cpus: .5", {"nanoCpus": 500_000_000}),
    ("cpu_shares: 512", {"cpuShares": 512}),
    ("cpuset: 0,1", {"cpuSet": "0,1"}),
    ("dns: 10.0.0.1", {"dns": ["10.0.0.1"]}),
    ("dns_search: [a.b, c.d]", {"dnsSearch": ["a.b", "c.d"]}),
    ("extra_hosts: ['a:10.0.0.1', b=10.0.0.2]", {"extraHosts": ["a:10.0.0.1", "b:10.0.0.2"]}),
    ("extra_hosts: {a: 10.0.0.1}", {"extraHosts": ["a:10.0.0.1"]}),
    ("cap_add: [NET_ADMIN]", {"capAdd": ["NET_ADMIN"]}),
    ("tty: yes", {"tty": True}),
    ("privileged: off", {}),
    ("init: true", {"runInit": True}),
    ("pid: host", {"pidMode": "host"}),
    ("logging: {driver: none}", {"logConfig": {"driver": "none", "config": None}}),
    (
        "logging: {driver: json-file, options: {max-file: 3}}",
        {"logConfig": {"driver": "json-file", "config": {"max-file": "3"}}},
    ),
    ("log_driver: syslog\nlog_opt: {tag: x}", {"logConfig": {"driver": "syslog", "config": {"tag": "x"}}}),
    ("sysctls: [a.b=1]", {"sysctls": {"a.b": "1"}}),
    ("ulimits: {core: 0}", {"ulimits": [{"name": "core", "soft": 0, "hard": None}]}),
    ("ulimits: {core: {soft: 1, hard: 2}}", {"ulimits": [{"name": "core", "soft": 1, "hard": 2}]}),
    ("stop_grace_period: 1m30s", {"stopTimeout": 90}),
    ("stop_grace_period: 100ms", {"stopTimeout": 1}),
    ("stop_signal: SIGQUIT", {"stopSignal": "SIGQUIT"}),
    (
        "healthcheck: {test: curl localhost, interval: 1m, timeout: 1.5s, retries: 2, start_period: 3}",
        {
            "dockerHealthCheck": {
                "test": ["CMD-SHELL", "curl localhost"],
                "interval": 60_000,
                "timeout": 1500,
                "startPeriod": 3000,
                "retries": 2,
            }
        },
    ),
    (
        "healthcheck: {disable: true}",
        {"dockerHealthCheck": {"test": ["NONE"], "interval": 0, "timeout": 0, "startPeriod": 0, "retries": 0}},
    ),
    (
        "blkio_config: {weight: 300, device_read_bps: [{path: /dev/sda, rate: 1m}]}",
        {
            "blkioWeight": 300,
            "blkioDeviceOptions": {
                "/dev/sda": {"weight": None, "readBps": 1 << 20, "writeBps": None, "readIops": None, "writeIops": None}
            },
        },
    ),
    (
        "deploy: {resources: {limits: {cpus: '0.25', memory: 50M, pids: 9}, reservations: {memory: 20M}}}",
        {"nanoCpus": 250_000_000, "memory": 50 << 20, "pidsLimit": 9, "memoryReservation": 20 << 20},
    ),
    ("deploy: {resources: {reservations: {cpus: '0.25'}}}", {"milliCpuReservation": 250}),
    ("milli_cpu_reservation: 250", {"milliCpuReservation": 250}),
    (
        "deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}",
        {"restartPolicy": {"name": "on-failure", "maximumRetryCount": 3}},
    ),
    (
        "deploy: {restart_policy: {condition: any, max_attempts: 0}}",
        {"restartPolicy": {"name": "always", "maximumRetryCount": 0}},
    ),
    ("pull_policy: missing", {}),
    ("pull_policy: always", {"labels": {"io.rancher.container.pull_image": "always"}}),
    (
        "pull_policy: always\nlabels: {a: b}",
        {"labels": {"io.rancher.container.pull_image": "always", "a": "b"}},
    ),
]


@pytest.mark.parametrize(("body", "fields"), KEYS)
def test_each_key_is_carried_over(body: str, fields: dict[str, Any]) -> None:
    if body.startswith("image"):
        (service,) = parse(f"web: {{{body}}}").services
    else:
        service = one(body)
    assert service.config.to_json() == {"imageUuid": "docker:nginx"} | fields
    assert service.warnings == ()


@pytest.mark.parametrize(("body", "scale"), [("scale: 3", 3), ("scale: 0", 0), ("deploy: {replicas: 4}", 4)])
def test_the_scale_is_read(body: str, scale: int) -> None:
    assert one(body).scale == scale


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("container_name: x", "container_name"),
        ("networks: [x]", "networks"),
        ("pull_policy: daily", "pull_policy"),
        ("command: []", "command"),
        ("depends_on: [web]", "depends_on"),
        ("depends_on: {web: {condition: service_healthy}}", "depends_on"),
        ("novelty: 1", "novelty"),
        ("environment: [HOME]", "HOME"),
    ],
)
def test_what_is_left_out_is_a_warning(body: str, word: str) -> None:
    (warning,) = one(body).warnings
    assert word in warning


@pytest.mark.parametrize(
    ("key", "meant"), [("prots", "ports"), ("enviroment", "environment"), ("volume", "volumes"), ("link", "links")]
)
def test_a_misspelt_key_is_a_warning_with_its_line_and_what_was_meant(key: str, meant: str) -> None:
    (warning,) = one(f"{key}: [a]").warnings
    assert warning == f"web: line 3: `{key}` is not a key of a service and is left out. Did you mean `{meant}`?"


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        ("healthcheck: {test: a, intervall: 1s}", "`healthcheck.intervall` is not a key of `healthcheck`|interval"),
        ("deploy: {resourcs: {limits: {cpus: 1}}}", "`deploy.resourcs` is not a key of `deploy`|resources"),
        (
            "deploy: {resources: {limits: {memroy: 1g}}}",
            "`deploy.resources.limits.memroy` is not a key of `deploy.resources.limits`|memory",
        ),
        ("logging: {drivr: json-file}", "`logging.drivr` is not a key of `logging`|driver"),
        ("ports: [{target: 80, publishd: 81}]", "`ports.publishd` is not a key of `ports`|published"),
        ("ulimits: {nofile: {soft: 1, hard: 2, hrd: 3}}", "`ulimits.nofile.hrd` is not a key of `ulimits.nofile`|hard"),
        ("blkio_config: {wieght: 100}", "`blkio_config.wieght` is not a key of `blkio_config`|weight"),
    ],
)
def test_a_misspelt_key_below_others_is_a_warning_with_its_line_and_what_was_meant(body: str, warning: str) -> None:
    said, meant = warning.split("|")
    assert one(body).warnings == (f"web: line 3: {said} and is left out. Did you mean `{meant}`?",)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "volumes:\n  data:\n    exteral: true\n",
            "line 5: `volumes.data.exteral` is not a key of `volumes.data`|external",
        ),
        ("networks:\n  n:\n    drivr: x\n", "line 5: `networks.n.drivr` is not a key of `networks.n`|driver"),
        ("netwoks: {n: }\n", "line 3: `netwoks` is not a key of a compose file|networks"),
    ],
)
def test_a_misspelt_key_of_the_file_s_other_sections_is_named_likewise(text: str, warning: str) -> None:
    said, meant = warning.split("|")
    found = parse(f"version: '3'\nservices: {{}}\n{text}").warnings
    assert found == (f"{said} and is left out. Did you mean `{meant}`?",)


@pytest.mark.parametrize("head", ["", "version: '3'\n"])
def test_a_file_whose_services_are_misspelt_is_refused_with_what_was_meant(head: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(f"{head}servces:\n  web: {{image: nginx}}\n")
    line = 2 if head else 1
    assert refused.value.message == f"line {line}: `servces` is not a key of a compose file. Did you mean `services`?"


def test_a_service_may_be_called_almost_services() -> None:
    (service,) = parse("service: {image: nginx}\n").services
    assert service.name == "service"


@pytest.mark.parametrize(
    ("part", "warning"),
    [
        ("scal: 2", "line 2: `scal` is not a key of a service in rancher-compose|scale"),
        (
            "health_check: {port: 80, intervall: 1000}",
            "line 2: `health_check.intervall` is not a key of `health_check`|interval",
        ),
    ],
)
def test_a_misspelt_key_of_rancher_compose_is_named_likewise(part: str, warning: str) -> None:
    said, meant = warning.split("|")
    (service,) = parse("web: {image: nginx}", f"web:\n  {part}\n").services
    assert service.warnings == (f"web: {said} and is left out. Did you mean `{meant}`?",)


@pytest.mark.parametrize("path", ["deploy.endpoint_mode", "deploy.update_config", "healthcheck.start_interval"])
def test_a_key_of_compose_below_others_that_is_not_carried_over_is_no_misspelling(path: str) -> None:
    above, _dot, below = path.partition(".")
    more = "test: a, " if above == "healthcheck" else ""
    assert one(f"{above}: {{{more}{below}: 1s}}").warnings == (f"web: `{path}` is not carried over.",)


def test_a_key_like_no_other_is_a_warning_without_a_guess() -> None:
    (warning,) = one("zzzzzz: 1").warnings
    assert warning == "web: line 3: `zzzzzz` is not a key of a service and is left out."


@pytest.mark.parametrize("key", ["container_name", "mac_address", "mem_swappiness", "oom_kill_disable"])
def test_a_key_of_compose_that_is_not_carried_over_is_no_misspelling(key: str) -> None:
    assert one(f"{key}: [a]").warnings == (f"web: `{key}` is not carried over.",)


def test_no_key_that_is_read_is_listed_as_left_out() -> None:
    assert KEYS_OF_COMPOSE.isdisjoint(KEY_READERS)


def test_a_key_of_one_s_own_is_no_misspelling() -> None:
    assert one("x-prots: [a]").warnings == ()


def test_a_variable_named_without_a_value_is_the_stack_s() -> None:
    assert one("environment: [A]", A="b$c").config.environment == {"A": "b$c"}


def test_ignored_settings_of_the_file_are_warnings() -> None:
    text = "version: '3'\nservices: {}\nvolumes: {a: , b: {driver: nfs}}\nnetworks: {n: }\nmore: 1\nx-y: 2\n"
    assert parse(text).warnings == (
        "`volumes.b.driver` is not carried over.",
        "line 5: `more` is not a key of a compose file and is left out.",
    )


def test_a_link_that_is_written_twice_is_one_name_for_one_service() -> None:
    stack = parse("db:\n  image: a\nweb:\n  image: b\n  links: [db, 'db:db']\n")
    assert set(stack.services[1].links) == {("db", "db")}


def test_external_links_are_kept() -> None:
    service = one("external_links: [shop/db:db, other]")
    assert service.external_links == (("shop/db", "db"), ("other", "other"))


def test_rancher_compose_adds_its_part() -> None:
    rancher = """
        version: '2'
        services:
          web:
            scale: 3
            description: The shop
            start_on_create: false
            retain_ip: true
            metadata: {a: [1, 1.5, true, null, x], 7: {b: c}}
            health_check:
              port: 80
              interval: 1000
              request_line: GET / HTTP/1.0
              strategy: recreateOnQuorum
              recreate_on_quorum_strategy_config: {quorum: 2}
          gone: {scale: 1}
        """
    stack = parse("web: {image: nginx, scale: 2}", dedent(rancher))
    (service,) = stack.services
    assert (service.scale, service.description, service.config.start_on_create) == (3, "The shop", False)
    assert service.metadata == {"a": [1, 1.5, True, None, "x"], "7": {"b": "c"}}
    assert type(service.metadata["7"]) is dict
    check = service.config.health_check
    assert check is not None
    assert (check.port, check.interval, check.request_line) == (80, 1000, "GET / HTTP/1.0")
    assert (check.strategy, check.quorum and check.quorum.quorum) == ("recreateOnQuorum", 2)
    assert service.options.address_settings == {"retainIp": True}
    assert service.warnings == ()
    assert stack.warnings == ("rancher-compose has a service 'gone' that docker-compose does not have.",)


def test_rancher_compose_of_the_first_form_is_read() -> None:
    rancher = ".catalog: {name: x}\nweb:\n  scale: ${SCALE}\nlazy:\n"
    stack = parse("web: {image: a}\nlazy: {image: b}", rancher, {"SCALE": "5"})
    assert [each.scale for each in stack.services] == [5, 1]
    assert stack.warnings == ()


@pytest.mark.parametrize("rancher", ["", "version: '2'\n", "services:\n"])
def test_rancher_compose_may_be_empty(rancher: str) -> None:
    assert parse("web: {image: a}", rancher).services == parse("web: {image: a}").services
