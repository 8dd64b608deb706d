"""Rancher's later clients, call by call, over v2-beta: deploy, upgrade, look and clean up."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.wire.api_client import ApiClient, run_until_idle
from tests.wire.discovery_client import ApiRefused
from tests.wire.later_clients import ClientStopped, LaterCli, LaterCompose

OLD, NEW = "sim/nginx:1", "sim/nginx:2"


@pytest.fixture
def compose(api: ApiClient, lab: Any, host: Any) -> LaterCompose:
    return LaterCompose(api, f"1a{lab.pk}", "shop")


@pytest.fixture
def cli(api: ApiClient, lab: Any, stack: Any) -> LaterCli:
    return LaterCli(api, f"1a{lab.pk}")


def images(row: Any) -> list[str]:
    found = [each for each in row.get_link("instances") if each["state"] == "running"]
    return sorted(each["imageUuid"] for each in found)


def test_up_makes_a_stack_and_a_second_up_changes_nothing(compose: LaterCompose):
    assert compose.stack["id"].startswith("1st")
    web = compose.up("web", OLD, scale=2)
    assert (web["state"], web["stackId"], len(web["instanceIds"])) == ("active", compose.stack["id"], 2)
    before = [each["id"] for each in web.get_link("instances")]
    again = compose.up("web", OLD, upgrade=True, scale=2)
    assert [each["id"] for each in again.get_link("instances")] == before
    assert again["upgrade"] is None
    stack = compose.stack.reload()
    assert (stack["serviceIds"], stack["healthState"]) == ([web["id"]], "healthy")


def test_an_upgrade_waits_for_its_confirmation(compose: LaterCompose):
    compose.up("web", OLD, scale=2)
    upgraded = compose.up("web", NEW, upgrade=True, scale=2)
    assert upgraded["state"] == "upgraded"
    assert images(upgraded) == [f"docker:{NEW}"] * 2
    confirmed = compose.up("web", NEW, confirm=True, scale=2)
    assert (confirmed["state"], len(confirmed.get_link("instances"))) == ("active", 2)
    at_once = compose.up("web", OLD, upgrade=True, confirm=True, scale=2)
    assert (at_once["state"], images(at_once)) == ("active", [f"docker:{OLD}"] * 2)


def test_an_upgrade_is_rolled_back(compose: LaterCompose):
    compose.up("web", OLD)
    assert compose.up("web", NEW, upgrade=True)["state"] == "upgraded"
    back = compose.rollback("web")
    assert (back["state"], images(back)) == ("active", [f"docker:{OLD}"])


def test_a_change_of_metadata_alone_makes_no_new_containers(compose: LaterCompose):
    before = compose.up("web", OLD)
    after = compose.up("web", OLD, upgrade=True, metadata={"team": "a"})
    assert (after["metadata"]["team"], after["instanceIds"]) == ("a", before["instanceIds"])


def test_scale_stop_start_restart_and_remove(compose: LaterCompose):
    compose.up("web", OLD)
    assert len(compose.scale("web", 3)["instanceIds"]) == 3
    assert compose.stop("web")["state"] == "inactive"
    assert compose.up("web", OLD)["state"] == "active"
    assert compose.restart("web")["state"] == "active"
    gone = compose.remove("web")
    assert (gone["state"], compose.find("web")) == ("removed", None)


def test_links_sidekicks_and_the_other_kinds_of_services(compose: LaterCompose):
    back = compose.up("back", OLD)
    log: dict[str, Any] = {"name": "log", "imageUuid": "docker:sim/log:1", "labels": {}, "links": None, "actions": None}
    front = compose.up("front", OLD, secondaryLaunchConfigs=[log])
    compose.set_links(front, {"": back["id"], "db": back["id"]})
    assert front.reload()["linkedServices"] == {"back": back["id"], "db": back["id"]}
    assert len(front.reload()["instanceIds"]) == 2
    outside = compose.create("outside", "rancher/external-service", "externalService", hostname="db.example.com")
    alias = compose.create("alias", "rancher/dns-service", "dnsService")
    assert [each.get_link("stack")["id"] for each in (outside, alias)] == [compose.stack["id"]] * 2


def test_a_stack_of_a_reader_is_not_made(api_of: Any, lab: Any, host: Any):
    with pytest.raises(ClientStopped, match="Can not create a stack"):
        LaterCompose(api_of("rita"), f"1a{lab.pk}", "shop")


def test_the_command_line_finds_its_environment(api_of: Any, people: Any, lab: Any):
    alice = api_of("alice")
    alice.post("projects", {"name": "Other"})
    run_until_idle()
    assert LaterCli(alice, lab.name).client.schemas == f"http://testserver/v2-beta/projects/1a{lab.pk}/schemas"
    with pytest.raises(ClientStopped, match="Not found: nowhere"):
        LaterCli(alice, "nowhere")
    found = {each["name"]: each for each in LaterCli(alice, "Other").raw.all("project", "?limit=-2&all=true")}
    assert {each["orchestration"] for each in found.values()} == {"cattle"}


def test_ps_stacks_and_hosts(cli: LaterCli, stack: Any, host: Any):
    stacks = {each["id"]: each for each in cli.listed("stack", everything=True)}
    rows = {f"{stacks[each['stackId']]['name']}/{each['name']}": each for each in cli.listed("service")}
    assert {name: (len(each["instanceIds"]), each["scale"]) for name, each in rows.items()} == {
        "web/front": (2, 2),
        "web/back": (1, 1),
    }
    [one] = cli.listed("host")
    assert (one["id"], len(one["instanceIds"]), one["agentIpAddress"]) == (f"1h{host.pk}", 3, host.address or None)
    [shop] = cli.listed("stack")
    assert (shop["serviceIds"], shop["system"]) == ([stack["front"], stack["back"]], False)
    containers = cli.listed("container")
    assert {each["hostId"] for each in containers} == {one["id"]}
    assert {tuple(each["serviceIds"]) for each in containers} == {(stack["front"],), (stack["back"],)}
    assert {(each["serviceIds"] == [each["serviceId"]], each["stackId"]) for each in containers} == {(True, shop["id"])}
    assert len(cli.lookup("lab-1", "host").get_link("instances")) == 3


@pytest.mark.parametrize("name", ["web/front", "1s{front}", "web_front_1", "web", "lab-1"])
def test_things_are_found_by_name_and_by_id_among_all_types(cli: LaterCli, stack: Any, name: str):
    word = name.format(front=stack["front"][2:])
    found = cli.lookup(word, "service", "container", "host", "stack", "machine", "projectTemplate", "volume", "secret")
    kind = {"web/front": "service", "web_front_1": "container", "web": "stack", "lab-1": "host"}.get(name, "service")
    assert found["type"] == kind


def test_run_makes_a_service_in_the_default_stack(cli: LaterCli):
    config = {"imageUuid": "docker:sim/nginx:1", "networkMode": "managed", "tty": False, "links": None}
    parent = cli.stack_called("Default")
    body = {"name": "odd-name", "stackId": parent["id"], "launchConfig": config, "startOnCreate": True, "scale": 1}
    made = cli.client.create("service", **body)
    run_until_idle()
    assert made.reload()["state"] == "active"
    assert cli.lookup("odd-name", "service")["id"] == made["id"]


def test_scale_stop_start_restart_rm_and_rm_of_a_stack(cli: LaterCli):
    front = cli.lookup("web/front", "service")
    front.change(scale=3)
    run_until_idle()
    assert front.reload()["currentScale"] == 3
    front.reload().run_action("deactivate")
    run_until_idle()
    front.reload().run_action("activate")
    run_until_idle()
    [container, *_more] = [each for each in front.get_link("instances") if each["state"] == "running"]
    container.run_action("restart")
    run_until_idle()
    assert container.reload()["state"] == "running"
    assert cli.lookup("web", "stack").remove()["state"] == "removing"
    run_until_idle()
    assert front.reload()["state"] == "removed"
    with pytest.raises(ClientStopped, match="Not found"):
        cli.lookup("web", "stack")


def test_export_writes_files_of_the_second_form(cli: LaterCli):
    found = cli.lookup("web", "stack").run_action("exportconfig")
    assert found["type"] == "composeConfig"
    assert found["dockerComposeConfig"].startswith("version: '2'")
    assert "sim/nginx:1" in io.StringIO(found["dockerComposeConfig"]).read()
    assert "scale: 2" in found["rancherComposeConfig"]


def test_logs_and_exec_lead_to_sockets(cli: LaterCli):
    container = cli.lookup("web_front_1", "container")
    logs = container.run_action("logs", follow=True, lines=10)
    shell = container.run_action("execute", command=["ls"], tty=True)
    assert [(each["type"], each["url"].split("/", 3)[3]) for each in (logs, shell)] == [
        ("hostAccess", "v1/logs/"),
        ("hostAccess", "v1/exec/"),
    ]


def test_exec_and_logs_of_the_command_line_lead_to_the_docker_api_of_the_host(cli: LaterCli, host: Any):
    container = cli.lookup("web_front_1", "container", "service")
    [found] = container.get_link("hosts")
    assert (found["id"], container["hostId"], bool(container["externalId"])) == (f"1h{host.pk}", found["id"], True)
    row = cli.client.by_id("host", found["id"])
    assert row is not None
    access = row.run_action("dockersocket")
    assert (access["type"], access["url"]) == ("hostAccess", "ws://testserver/v1/dockersocket/")
    again = row.run_action("dockersocket")
    assert access["token"] != again["token"], "each connection has its own"


@pytest.mark.parametrize(("name", "status"), [("bob", 422), ("rex", 422), ("rita", 422), ("mallory", 404)])
def test_the_docker_api_of_a_host_is_for_owners(api_of: Any, lab: Any, host: Any, name: str, status: int):
    caller = api_of(name).inside(lab) if name != "mallory" else api_of(name)
    refused = caller.speaking("v2-beta").post(f"hosts/1h{host.pk}?action=dockersocket")
    assert refused.status == status
    assert "dockersocket" not in (caller.get(f"hosts/1h{host.pk}").body.get("actions") or {})


def test_a_host_that_is_lost_says_why_its_docker_api_is_not_reached(api: ApiClient, lab: Any, host: Any):
    type(host).all_objects.filter(pk=host.pk).update(fenced="It is another host's engine.")
    refused = api.inside(lab).post(f"hosts/1h{host.pk}?action=dockersocket")
    assert (refused.status, refused["message"]) == (409, "It is another host's engine.")


def test_the_actions_of_a_stack(cli: LaterCli, stack: Any):
    row = cli.lookup("web", "stack")
    assert {"activateservices", "deactivateservices", "exportconfig", "addoutputs", "remove"} <= set(row["actions"])
    row.run_action("deactivateservices")
    run_until_idle()
    assert {each["state"] for each in row.get_link("services")} == {"inactive"}
    row.run_action("activateservices")
    run_until_idle()
    row.run_action("addoutputs", outputs={"port": "80"})
    run_until_idle()
    assert row.reload()["outputs"] == {"port": "80"}


def test_a_stack_of_files_is_upgraded_confirmed_and_rolled_back(cli: LaterCli):
    files = {"dockerCompose": "web:\n  image: sim/a:1\n", "rancherCompose": "web:\n  scale: 1\n"}
    made = cli.client.create("stack", name="files", startOnCreate=True, externalId="catalog://shop:web:0", **files)
    run_until_idle()
    upgraded = {"dockerCompose": "web:\n  image: sim/a:2\n", "externalId": "catalog://shop:web:1"}
    for ending, external in (("rollback", "catalog://shop:web:0"), ("finishupgrade", "catalog://shop:web:1")):
        made.reload().run_action("upgrade", **upgraded)
        run_until_idle()
        assert made.reload()["state"] == "upgraded"
        made.reload().run_action(ending)
        run_until_idle()
        assert (made.reload()["state"], made.reload()["externalId"]) == ("active", external)


def test_an_environment_is_made_from_the_template_that_the_client_looks_for(api_of: Any):
    cli = LaterCli(api_of("alice"))
    template = cli._lookup_in(cli.raw, "Cattle", "projectTemplate")
    made = cli.raw.create("project", name="Fresh", projectTemplateId=template["id"])
    run_until_idle()
    assert (made.reload()["state"], made["orchestration"]) == ("active", "cattle")
    cli._lookup_in(cli.raw, "Fresh", "project").run_action("deactivate")
    run_until_idle()
    assert made.reload()["state"] == "inactive"


def test_a_script_mixes_both_dialects(api: ApiClient, lab: Any, stack: Any):
    """cdrx/rancher-gitlab-deploy: all over v1, but services are made over v2-beta, with v1's id of the stack."""
    inside, later = api.inside(lab), api.inside(lab).speaking("v2-beta")
    [found] = [each for each in inside.get("environments?limit=1000")["data"] if each["name"] == "web"]
    body = {
        "name": "made",
        "stackId": found["id"],
        "startOnCreate": True,
        "launchConfig": {"imageUuid": "docker:sim/a:1", "labels": {}, "environment": {}, "secrets": []},
    }
    made = later.post("services", body)
    assert made.status == 201, made.body
    links = later.post(
        made["actions"]["setservicelinks"], {"serviceLinks": [{"name": "b", "serviceId": stack["back"]}]}
    )
    assert links.status == 202
    run_until_idle()
    config = inside.get(f"services/{made['id']}")["launchConfig"]
    config["imageUuid"] = "docker:sim/a:2"
    strategy = {"batchSize": 1, "intervalMillis": 100, "startFirst": False, "launchConfig": config}
    answer = inside.post(f"services/{made['id']}/?action=upgrade", {"inServiceStrategy": strategy})
    assert answer.status == 202
    run_until_idle()
    assert inside.get(f"services/{made['id']}")["state"] == "upgraded"
    assert inside.post(f"services/{made['id']}/?action=finishupgrade").status == 202
    assert later.get(f"stacks/{found['id']}")["id"] == found["id"].replace("1e", "1st")


def test_a_script_upgrades_by_the_urls_it_knows(api: ApiClient, lab: Any, stack: Any):
    later = api.inside(lab).speaking("v2-beta")
    [project] = later.speaking("v2-beta").get(f"/v2-beta/projects?name={lab.name}")["data"]
    assert project["id"] == f"1a{lab.pk}"
    row = f"services/{stack['back']}"
    launch = later.get(row + "/")["launchConfig"]
    launch["imageUuid"] = "docker:sim/nginx:2"
    body = {"inServiceStrategy": {"launchConfig": launch}, "toServiceStrategy": None}
    assert later.post(f"{row}?action=upgrade", body).status == 202
    run_until_idle()
    found = later.get(row)
    assert (found["state"], found["upgrade"]["inServiceStrategy"]["launchConfig"]["imageUuid"]) == (
        "upgraded",
        "docker:sim/nginx:2",
    )
    assert later.post(f"{row}?action=finishupgrade").status == 202
    run_until_idle()
    listed = later.get("instances?type=container&limit=-1&sort=name")
    assert [each["name"] for each in listed["data"] if each["state"] == "running"] == [
        "web_back_1",
        "web_front_1",
        "web_front_2",
    ]
    later.get("registrationtokens")  # listing makes the first one
    run_until_idle()
    assert later.get("registrationtokens?state=active")["data"][0]["registrationUrl"]


def test_what_a_client_may_not_do_is_refused(api_of: Any, lab: Any, stack: Any):
    cli = LaterCli(api_of("rita"), f"1a{lab.pk}")
    front = cli.lookup("web/front", "service")
    assert front["actions"] == {}
    with pytest.raises(ApiRefused) as refused:
        front.change(scale=5)
    assert refused.value.status == 405


def test_sidekicks_come_and_go_with_an_upgrade(compose: LaterCompose):
    log = {"name": "log", "imageUuid": "docker:sim/log:1", "environment": {"KEY": "kept"}}
    row = compose.up("web", OLD, secondaryLaunchConfigs=[log])
    new = {"name": "backup", "imageUuid": "docker:sim/backup:1"}
    row = compose.wait(row.run_action("upgrade", inServiceStrategy={"secondaryLaunchConfigs": [new]}))
    row = compose.wait(row.run_action("finishupgrade"))
    found = {each["name"]: each for each in row["secondaryLaunchConfigs"]}
    assert (sorted(found), found["log"]["environment"]) == (["backup", "log"], {"KEY": "kept"})
    assert images(row) == ["docker:sim/backup:1", "docker:sim/log:1", f"docker:{OLD}"]
    none = {"name": "log", "imageUuid": "rancher/none"}
    row = compose.wait(row.run_action("upgrade", inServiceStrategy={"secondaryLaunchConfigs": [none]}))
    row = compose.wait(row.run_action("finishupgrade"))
    assert images(row) == ["docker:sim/backup:1", f"docker:{OLD}"]
