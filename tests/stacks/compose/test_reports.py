"""What files of people and of the specification's examples mean, and what is said when it cannot be had."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
import yaml

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.engine_body import engine_body
from apps.core.errors import Invalid
from apps.stacks.compose import ComposeService, ComposeStack, export, parse


def read(text: str, stack_name: str = "shop", **variables: str) -> ComposeStack:
    return parse(dedent(text), "", variables, stack_name=stack_name)


def web(body: str, **variables: str) -> ComposeService:
    """The service `web` of a file of the later form, with these keys beside its image."""
    lines = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    return read(f"services:\n  web:\n    image: nginx\n{lines}", **variables).services[0]


def refusal(body: str, **variables: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        web(body, **variables)
    return caught.value


def mounts_of(stack: ComposeStack) -> list[str]:
    return [str(each) for each in stack.services[0].config.data_volumes]


# --- volumes ---

ONE_FILE = "services:\n  web:\n    image: a\n    volumes: ['data:/d']\nvolumes:\n  data: %s\n"


def test_two_stacks_of_one_file_have_a_volume_each():
    text = ONE_FILE % "{}"
    assert mounts_of(read(text, "va")) == ["va_data:/d"]
    assert mounts_of(read(text, "vb")) == ["vb_data:/d"]


@pytest.mark.parametrize(
    ("settings", "mount"),
    [
        ("", "shop_data:/d"),
        ("{driver: local}", "shop_data:/d"),
        ("{external: false}", "shop_data:/d"),
        ("{external: true}", "data:/d"),
        ("{external: true, name: real}", "real:/d"),
        ("{external: {name: real}}", "real:/d"),
        ("{name: real}", "real:/d"),
        ("{name: '${COMPOSE_PROJECT_NAME}-real'}", "shop-real:/d"),
    ],
)
def test_the_top_level_says_which_volume_of_the_engine_is_meant(settings: str, mount: str):
    stack = read(ONE_FILE % settings)
    assert mounts_of(stack) == [mount]
    assert stack.warnings == ()


def test_the_long_form_and_modes_mean_the_same_volume():
    long = ["{type: volume, source: data, target: /b}", "{type: bind, source: /data, target: /c}"]
    text = "volumes: [" + ", ".join(["data:/a:ro", *long, "/d"]) + "]"
    assert [str(each) for each in web(text).config.data_volumes] == [
        "shop_data:/a:ro",
        "shop_data:/b",
        "/data:/c",
        "/d",
    ]


def test_a_volume_that_is_not_declared_is_the_stack_s_own_too():
    stack = read("services: {web: {image: a, volumes: ['data:/d']}}")
    assert mounts_of(stack) == ["shop_data:/d"]
    assert "data is not declared" in stack.warnings[0]


def test_the_first_form_of_the_file_names_volumes_of_the_engine():
    assert mounts_of(read("web: {image: a, volumes: ['data:/d']}")) == ["data:/d"]


def test_the_export_declares_the_volumes_that_it_uses():
    wire = {"imageUuid": "docker:a", "dataVolumes": ["va_data:/d", "real:/r", "/srv:/s", "/t"]}
    service = ComposeService("web", LaunchConfig.from_wire(wire))
    docker, rancher = export([service], "va")
    content = yaml.safe_load(docker)
    assert content["volumes"] == {"data": {}, "real": {"name": "real"}}
    assert content["services"]["web"]["volumes"] == ["data:/d", "real:/r", "/srv:/s", "/t"]
    assert parse(docker, rancher, stack_name="va").services == (service,)
    assert mounts_of(parse(docker, stack_name="vb"))[:2] == ["vb_data:/d", "real:/r"]


def test_an_export_never_makes_two_volumes_one():
    wire = {"imageUuid": "docker:a", "dataVolumes": ["va_data:/d", "data:/e"]}
    service = ComposeService("web", LaunchConfig.from_wire(wire))
    assert parse(*export([service], "va"), stack_name="va").services == (service,)


def test_the_first_form_is_what_clients_of_v1_read():
    wire = {
        "imageUuid": "docker:a",
        "dataVolumes": ["real:/d"],
        "labels": {"a": "b", "io.rancher.service.hash": "1f"},
        "restartPolicy": {"name": "always"},
        "logConfig": {"driver": "syslog", "config": {"tag": "x"}},
        "networkMode": "host",
    }
    service = ComposeService("web", LaunchConfig.from_wire(wire), 2, metadata={"io.rancher.service.hash": "1f"})
    docker, rancher = export([service], "va", first_form=True)
    assert yaml.safe_load(docker) == {
        "web": {
            "image": "a",
            "labels": {"a": "b"},
            "volumes": ["real:/d"],
            "net": "host",
            "log_driver": "syslog",
            "log_opt": {"tag": "x"},
        }
    }
    assert yaml.safe_load(rancher) == {"web": {"scale": 2}}
    (back,) = parse(docker, rancher, stack_name="other").services
    assert (back.config.log_config, back.config.network_mode) == (service.config.log_config, "host")
    assert [str(each) for each in back.config.data_volumes] == ["real:/d"]


@pytest.mark.parametrize("first_form", [True, False])
def test_a_volume_of_the_stack_is_exported_under_the_name_that_its_file_gave_it(*, first_form: bool):
    stack = read("services: {web: {image: a, volumes: ['data:/d']}}\nvolumes: {data: }")
    written = export(stack.services, "shop", first_form=first_form)
    content = yaml.safe_load(written[0])
    assert (content["services"]["web"]["volumes"], content["volumes"]) == (["data:/d"], {"data": {}})
    again = parse(*written, stack_name="shop")
    assert (again.services, again.warnings) == (stack.services, ())
    assert export(again.services, "shop", first_form=first_form) == written
    assert mounts_of(parse(*written, stack_name="copy")) == ["copy_data:/d"]


# --- absent, empty, precedence ---


@pytest.mark.parametrize("text", ["[]", "''", "['']"])
def test_an_empty_entry_point_clears_that_of_the_image(text: str):
    service = web(f"entrypoint: {text}")
    assert engine_body(service.config, labels={})["Entrypoint"] == []
    assert parse(*export([service])).services[0].config == service.config


@pytest.mark.parametrize("body", ["", "entrypoint:", "command: x"])
def test_an_absent_entry_point_is_the_image_s(body: str):
    assert "Entrypoint" not in engine_body(web(body).config, labels={})


BLANK = [
    *("user", "restart", "domainname", "working_dir", "stop_signal", "hostname", "network_mode", "net", "log_driver"),
    *("mem_limit", "cpus", "tty"),
]


@pytest.mark.parametrize("key", BLANK)
def test_a_blank_text_is_as_if_it_were_absent(key: str):
    service = web(f"{key}: ${{NOTHING-}}")
    assert service.config == web("").config
    assert service.warnings == ()


def test_the_empty_log_driver_that_rancher_exported_is_none():
    assert web("log_driver: ''\nlog_opt: {}").config.log_config is None
    assert web("logging: {driver: '', options: {}}").config.log_config is None


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        (["deploy: {restart_policy: {condition: none}}", "restart: always"], "restartPolicy", "no"),
        (["deploy: {resources: {limits: {memory: 20m}}}", "mem_limit: 10m"], "memory", 20 << 20),
        (["network_mode: host", "net: none"], "networkMode", "host"),
        (["logging: {driver: syslog}", "log_driver: none"], "logConfig", "syslog"),
    ],
)
def test_the_specification_decides_which_of_two_places_counts(keys: list[str], field: str, value: Any, order: int):
    found = web("\n".join(keys[::order])).config.to_json()[field]
    assert (found.get("name") or found.get("driver") if isinstance(found, dict) else found) == value


@pytest.mark.parametrize("order", [1, -1])
def test_replicas_win_over_scale_and_the_other_is_told(order: int):
    service = web("\n".join(["scale: 2", "deploy: {replicas: 5}"][::order]))
    assert service.scale == 5
    assert service.warnings == ("web: `scale` is not used: `deploy` says otherwise.",)


@pytest.mark.parametrize(
    "body",
    [
        "environment: [{KEY: value}]",
        "environment: [[a]]",
        "labels: [{a: b}]",
        "sysctls: [{a: b}]",
        "tmpfs: [{a: b}]",
        "ports: [{80: 80}]",
        "ports: [[80]]",
        "volumes: [[a]]",
        "volumes: [{source: a}]",
        "volumes: [{type: bind, source: data, target: /d}]",
        "extra_hosts: [{a: 10.0.0.1}]",
        "links: [{a: b}]",
        "depends_on: [{a: b}]",
        "external_links: [{a: b}]",
        "restart: {a: b}",
        "network_mode: [host]",
        "dns: [{a: b}]",
        "command: [{a: b}]",
        "cap_add: [{a: b}]",
        "labels: {a: {b: c}}",
        "volumes: [~]",
    ],
)
def test_a_map_or_list_where_a_text_belongs_is_refused(body: str):
    problem = refusal(body)
    assert body.partition(":")[0] in problem.message


# --- values ---


@pytest.mark.parametrize(
    ("ports", "wire"),
    [
        ("['${P-}:80']", ["80/tcp"]),
        ("['0:80', '0:81/udp']", ["80/tcp", "81/udp"]),
        ("['127.0.0.1:0:80']", ["127.0.0.1::80/tcp"]),
        ("[{target: 80, published: 0, protocol: udp}]", ["80/udp"]),
        ("[{target: 80, published: ''}]", ["80/tcp"]),
        ("['8080-8083:80']", ["8080-8083:80/tcp"]),
        ("['127.0.0.1:8080-8083:80/udp']", ["127.0.0.1:8080-8083:80/udp"]),
        ("[{target: 80, published: 8080-8083}]", ["8080-8083:80/tcp"]),
        ("['30000-60000:80']", ["30000-60000:80/tcp"]),
        ("['36412:36412/sctp']", ["36412:36412/sctp"]),
    ],
)
def test_ports_are_those_of_the_engine(ports: str, wire: list[str]):
    assert [str(each) for each in web(f"ports: {ports}").config.ports] == wire


def test_the_engine_gets_the_range_and_the_scheduler_no_fixed_port():
    config = web("ports: ['8080-8083:80', '36412:36412/sctp']").config
    bindings = engine_body(config, labels={})["HostConfig"]["PortBindings"]
    assert bindings == {"80/tcp": [{"HostPort": "8080-8083"}], "36412/sctp": [{"HostPort": "36412"}]}
    assert [port.public for port in config.ports] == [None, 36412]


def test_values_are_taken_in_any_case_of_letters_as_engines_do():
    config = web("cap_add: [net_admin, CAP_sys_time]\ncap_drop: [all]\nstop_signal: sigquit\nexpose: [9/sctp]").config
    assert (config.cap_add, config.cap_drop, config.stop_signal) == (("NET_ADMIN", "SYS_TIME"), ("ALL",), "SIGQUIT")
    assert str(config.expose[0]) == "9/sctp"


def test_every_brace_of_a_default_counts():
    text = 'environment: {A: \'${LIMITS:-{"n":1}}\', B: "${URL:-http://h/{id}/x}"}'
    assert web(text, LIMITS='{"n":2}').config.environment == {"A": '{"n":2}', "B": "http://h/{id}/x"}
    assert web(text).config.environment["A"] == '{"n":1}'


def test_the_project_s_name_is_that_of_the_stack():
    assert web("hostname: ${COMPOSE_PROJECT_NAME}").config.hostname == "shop"
    assert web("environment: [COMPOSE_PROJECT_NAME]").config.environment == {"COMPOSE_PROJECT_NAME": "shop"}


def test_settings_of_mounts_are_carried_over():
    bind = "{type: bind, source: /a, target: /b, bind: {selinux: z}}"
    config = web(f"volumes: [{bind}, {{type: tmpfs, target: /t, tmpfs: {{size: 1k, mode: 01777}}}}]").config
    assert ([str(each) for each in config.data_volumes], config.tmpfs) == (["/a:/b:z"], {"/t": "size=1024,mode=01777"})


# --- services that depend on others ---

PROFILES = """
    services:
      web: {image: a}
      tool: {image: b, profiles: [debug, admin]%s}
    """


def test_a_service_of_a_profile_is_left_out_until_it_is_enabled():
    stack = read(PROFILES % "")
    assert [each.name for each in stack.services] == ["web"]
    assert "COMPOSE_PROFILES" in stack.warnings[0]
    for enabled in ("admin", "x, debug", "*"):
        assert len(read(PROFILES % "", COMPOSE_PROFILES=enabled).services) == 2


def test_nothing_that_is_enabled_may_need_a_service_that_is_not():
    text = "services: {web: {image: a, depends_on: %s}, tool: {image: b, profiles: [debug]}}"
    with pytest.raises(Invalid, match="COMPOSE_PROFILES"):
        read(text % "[tool]")
    stack = read(text % "{tool: {required: false}}")
    assert [each.name for each in stack.services] == ["web"]


def test_a_dependency_that_is_not_required_may_be_missing():
    service = web("depends_on: {zz: {required: false}}")
    assert any("'zz'" in text for text in service.warnings)
    assert "zz" in refusal("depends_on: {zz: {required: true}}").message


def test_a_service_extends_another_of_the_file():
    text = """
        services:
          base:
            image: a
            command: [run]
            environment: [A=1, B=2]
            ports: ['80:80']
            volumes: ['/x:/d', '/y:/e']
            healthcheck: {test: [CMD, a], interval: 5s}
          middle: {extends: base, environment: {B: 3}}
          web:
            extends: {service: middle}
            image: b
            ports: ['81:81']
            volumes: ['/z:/d']
            healthcheck: {interval: 9s}
        """
    stack = read(text)
    found = stack.services[2].config
    assert (found.image, found.command, found.environment) == ("b", ("run",), {"A": "1", "B": "3"})
    assert [str(each) for each in found.ports] == ["80:80/tcp", "81:81/tcp"]
    assert [str(each) for each in found.data_volumes] == ["/z:/d", "/y:/e"]
    assert found.docker_health_check is not None
    assert (found.docker_health_check.test, found.docker_health_check.interval) == (("CMD", "a"), 9000)
    assert stack.services[2].warnings == ()


@pytest.mark.parametrize(
    ("extends", "word"),
    [
        ("{file: other.yml, service: web}", "cannot read others"),
        ("gone", "'gone'"),
        ("web", "circle"),
        ("{service: {a: b}}", "no service"),
    ],
)
def test_what_cannot_be_extended_is_refused(extends: str, word: str):
    assert word in refusal(f"extends: {extends}").message


def test_external_links_have_the_service_s_name_when_they_have_no_other():
    assert web("external_links: ['base/pg:database', base/mq]").external_links == (
        ("base/pg", "database"),
        ("base/mq", "mq"),
    )


def test_a_global_service_is_one_in_either_way_of_writing():
    stack = parse(
        "services: {a: {image: x, deploy: {mode: global}, labels: {b: c}},"
        " b: {image: x, labels: {io.rancher.scheduler.global: 'true'}}}"
    )
    assert [each.config.labels["io.rancher.scheduler.global"] for each in stack.services] == ["true", "true"]
    assert stack.services[0].config.labels["b"] == "c"
    assert not [text for each in stack.services for text in each.warnings]


def test_a_label_that_is_switched_off_is_taken():
    assert web("labels: {io.rancher.scheduler.global: 'false'}").config.labels == {
        "io.rancher.scheduler.global": "false"
    }


def test_a_key_twice_in_rancher_compose_is_a_warning_and_the_last_one_counts():
    stack = parse("web: {image: a}", "web:\n  scale: 2\n  scale: 3\n")
    assert stack.services[0].scale == 3
    assert stack.warnings == ("rancher-compose, line 3: the key 'scale' is duplicated; this one counts.",)


def test_many_aliases_that_cost_little_are_taken():
    aliases = "".join(f"  s{number}: {{image: a, environment: *env}}\n" for number in range(200))
    stack = parse(f"x-env: &env {{A: b}}\nservices:\n{aliases}")
    assert len(stack.services) == 200
    assert stack.services[199].config.environment == {"A": "b"}
