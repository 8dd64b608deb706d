"""The pages of volumes: lists with their filters, a volume, its files, the form, deleting and cleaning up."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.containers.launch.config import LaunchConfig
from apps.containers.services import container_create
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_one
from apps.drivers.base import EngineDown, EngineError
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create
from apps.stacks.stack_upgrade import stack_act
from apps.volumes.models import StoragePool, Volume

HTMX = {"HX-Request": "true"}
UNNAMED = "ef" * 32


@pytest.fixture
def bob(browser_as: Callable[[str], Client]) -> Client:
    return browser_as("bob")


@pytest.fixture
def list_now(host: Host) -> Callable[[], None]:
    """Lists and measures the volumes of the host now."""

    def run() -> None:
        reconcile_one("host", host.pk)
        StoragePool.all_objects.update(measured_at=None)
        for pool in StoragePool.all_objects.all():
            reconcile_one("storagePool", pool.pk)

    return run


@pytest.fixture
def data(sim: SimulatedDriver, list_now: Any) -> Volume:
    """A volume that nothing uses, with files in it."""
    sim.create_volume("data", "local", {}, {"team": "blue"})
    sim.write_file("data", "sub/a.txt", b"hello")
    sim.write_file("data", "b & c.txt", b"0123456789")
    sim.write_file("data", "out", "/etc")
    list_now()
    row: Volume = Volume.all_objects.get(name="data")
    return row


@pytest.fixture
def used(lab: Environment, host: Host, actor_of: Any, run_loop: Any, list_now: Any) -> Volume:
    """A volume that the container box has at /d."""
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "dataVolumes": ["used:/d:ro"]})
    container_create(actor=actor_of("bob"), environment=lab, config=config, name="box")
    run_loop()
    list_now()
    row: Volume = Volume.all_objects.get(name="used")
    return row


@pytest.fixture
def left(lab: Environment, host: Host, actor_of: Any, run_loop: Any, list_now: Any, sim: SimulatedDriver) -> Volume:
    """A volume that the deleted stack shop has left behind."""
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "dataVolumes": ["shop_db:/d"]})
    service_create(actor=actor_of("bob"), stack=stack, name="db", config=config, scale=1, start_on_create=True)
    run_loop()
    sim.write_file("shop_db", "f", b"x" * 2048)
    stack_act(stack, "remove", actor=actor_of("bob"))
    Stack.all_objects.update(undo_until=None)
    Service.all_objects.update(undo_until=None)
    run_loop()
    list_now()
    row: Volume = Volume.all_objects.get(name="shop_db")
    return row


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def listed(response: Any) -> list[str]:
    return [row.name for row in response.context["page"].rows]


def test_an_empty_list_says_what_volumes_are_for(bob: Client, at: Any, host: Host):
    page = text(bob.get(at("volumes")))
    assert "No volumes yet" in page
    assert at("volume-new") in page


def test_the_list_says_who_uses_what_and_how_much_is_unused(bob: Client, at: Any, data: Volume, used: Volume):
    page = bob.get(at("volumes"))
    assert sorted(listed(page)) == ["data", "used"]
    assert "2 volumes with 15" in page.context["totals"]
    assert "nothing uses 1 with 15" in page.context["totals"]
    assert "box" in text(page)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("use=used", ["used"]),
        ("use=unused", ["data", "shop_db"]),
        ("use=left", ["shop_db"]),
        ("scope=stack", ["shop_db"]),
        ("q=shop", ["shop_db"]),
        ("q=box", ["used"]),
        ("driver=local", ["data", "shop_db", "used"]),
        ("driver=nfs", []),
        ("host=999", []),
        ("host=nonsense", []),
        ("use=nonsense", ["data", "shop_db", "used"]),
        ("q=%00", ["data", "shop_db", "used"]),
        ("sort=-size", ["data", "shop_db", "used"]),
    ],
)
def test_the_list_is_narrowed(query: str, names: list[str], bob: Client, at: Any, data: Any, used: Any, left: Any):
    page = bob.get(f"{at('volumes')}?{query}")
    assert page.status_code == 200
    assert sorted(listed(page)) == names


def test_the_largest_come_first_when_asked_for(bob: Client, at: Any, data: Any, used: Any, left: Any):
    assert listed(bob.get(f"{at('volumes')}?sort=-size")) == ["shop_db", "data", "used"]


def test_what_a_deleted_stack_left_says_so_on_every_page(bob: Client, at: Any, left: Volume):
    assert "by shop" in text(bob.get(at("volumes")))
    assert "Left behind by shop, which is deleted" in text(bob.get(at("volume", pk=left.pk)))
    deleted = text(bob.get(at("deleted")))
    assert "1 volume left, 2.0" in deleted
    assert f"{at('volumes')}?use=left" in deleted


def test_a_host_has_a_page_of_its_own_volumes(bob: Client, at: Any, data: Volume, host: Host):
    page = bob.get(at("host-volumes", pk=host.pk))
    assert listed(page) == ["data"]
    assert f"{at('volume-new')}?host={host.pk}" in page.content.decode()
    assert at("host-volumes", pk=host.pk) in text(bob.get(at("host", pk=host.pk)))


def test_what_could_not_be_listed_or_measured_is_said(bob: Client, at: Any, data: Volume, sim: SimulatedDriver):
    sim.fail_next("volumes", EngineDown("a driver hangs"))
    reconcile_one("storagePool", StoragePool.all_objects.get().pk)
    page = text(bob.get(at("volumes")))
    assert "h1: The volumes could not be listed: a driver hangs" in page
    assert "data" in page


def test_a_page_says_everything_about_a_volume(bob: Client, at: Any, data: Volume, used: Volume):
    page = text(bob.get(at("volume", pk=data.pk)))
    for word in ("data", "h1", "15", "local", "team", "blue", "Nothing uses it", "_data"):
        assert word in page
    page = text(bob.get(at("volume", pk=used.pk)))
    assert "/d" in page
    assert "read only" in page
    assert "box" in page


def test_options_are_hidden_from_who_may_not_see_values(browser_as: Any, at: Any, sim: SimulatedDriver, list_now: Any):
    sim.create_volume("share", "local", {"o": "password=hunter22"}, {})
    list_now()
    address = at("volume", pk=Volume.all_objects.get().pk)
    assert "password=hunter22" in text(browser_as("bob").get(address))
    page = text(browser_as("rita").get(address))
    assert "hunter22" not in page
    assert "…" in page


def test_the_files_are_a_page_with_a_way_down_and_up(bob: Client, at: Any, data: Volume):
    files = at("volume-files", pk=data.pk)
    page = bob.get(files)
    body = page.content.decode()
    assert f"{files}?path=sub" in body
    assert "path=b+%26+c.txt" in body
    assert "out → /etc" in body
    assert "3 entries" in text(page)
    inner = bob.get(f"{files}?path=sub")
    assert "a.txt" in text(inner)
    assert inner.context["up"] == files
    assert [name for name, _url in inner.context["crumbs"]] == ["sub"]


def test_a_file_is_shown_and_downloaded(bob: Client, at: Any, data: Volume, sim: SimulatedDriver):
    page = text(bob.get(f"{at('volume-files', pk=data.pk)}?path=sub/a.txt"))
    assert "a.txt" in page
    found = bob.get(f"{at('volume-download', pk=data.pk)}?path=sub/a.txt")
    assert b"".join(found.streaming_content) == b"hello"  # type: ignore[attr-defined]
    assert found["Content-Disposition"] == 'attachment; filename="a.txt"'
    assert sim.containers() == []


def test_an_empty_volume_says_so(bob: Client, at: Any, sim: SimulatedDriver, list_now: Any):
    sim.create_volume("empty", "local", {}, {})
    list_now()
    row = Volume.all_objects.get()
    assert "The volume is empty" in text(bob.get(at("volume-files", pk=row.pk)))


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("../etc", 422, "`..` is refused"),
        ("out", 422, "links are not followed"),
        ("nothing", 404, "There is no nothing in data"),
        ("%00", 422, "must not contain NUL"),
    ],
)
def test_a_wrong_path_is_explained_on_the_page(path: str, status: int, words: str, bob: Client, at: Any, data: Volume):
    page = bob.get(f"{at('volume-files', pk=data.pk)}?path={path}")
    assert page.status_code == status
    assert words in text(page)
    assert bob.get(f"{at('volume-download', pk=data.pk)}?path={path}").status_code == status


def test_an_engine_that_fails_is_quoted_on_the_page(bob: Client, at: Any, data: Volume, sim: SimulatedDriver):
    sim.fail_next("archive", EngineError("the disk is broken"))
    page = bob.get(at("volume-files", pk=data.pk))
    assert page.status_code == 502
    assert "the disk is broken" in text(page)


def test_files_are_for_who_may_browse(browser_as: Any, at: Any, data: Volume):
    rita, mallory = browser_as("rita"), browser_as("mallory")
    for name in ("volume-files", "volume-download"):
        assert rita.get(at(name, pk=data.pk)).status_code == 403
        assert mallory.get(at(name, pk=data.pk)).status_code == 404
    assert not AuditEntry.all_objects.filter(event__in=("volume.browse", "volume.download")).exists()
    page = rita.get(at("volume", pk=data.pk))
    assert re.search(r"Browse files[^<]*</", page.content.decode())
    assert page.context["browse"].allowed is False


def test_the_form_makes_a_volume(bob: Client, at: Any, host: Host, sim: SimulatedDriver, run_loop: Any):
    form = {"name": "fresh", "host": str(host.pk), "driver": "", "labels": "team = blue\n\nb=", "options": ""}
    made = bob.post(at("volume-new"), form)
    row = Volume.all_objects.get()
    assert made.status_code == 302
    assert made["Location"] == at("volume", pk=row.pk)
    run_loop()
    found = sim.find_volume("fresh")
    assert found is not None
    assert (found.driver, found.labels["team"], found.labels["b"]) == ("local", "blue", "")


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": "a/b"}, "name", "it begins with a letter or digit"),
        ({"host": "999"}, "hostId", "no host"),
        ({"host": ""}, "hostId", "no host"),
        ({"options": "no equals sign"}, "driverOpts", "Line 1 is not name=value"),
        ({"labels": "a=1\na=2"}, "labels", "Line 2 has a name that was there before"),
        ({"options": "type=none\no=bind\ndevice=/etc"}, "driverOpts", "may not be mounted"),
        ({"driver": "rex ray"}, "driver", "not valid"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(
    change: dict[str, str], field: str, words: str, bob: Client, at: Any, host: Host
):
    form = {"name": "fresh", "host": str(host.pk), "driver": "local", "options": "", "labels": "", **change}
    page = bob.post(at("volume-new"), form, headers=HTMX)
    assert page.status_code == 422
    assert words in page.context["errors"][field]
    assert words.split("`", maxsplit=1)[0] in text(page)
    assert not Volume.all_objects.exists()
    assert page.context["values"]["name"] == form["name"]


def test_deleting_asks_with_the_size_and_the_name_of_what_holds_data(
    bob: Client, at: Any, data: Volume, sim: SimulatedDriver, run_loop: Any
):
    address = at("volume-remove", pk=data.pk)
    dialog = text(bob.get(address))
    assert "Its files on h1 (15" in dialog
    assert "cannot be undone" in dialog
    assert bob.post(address, {"confirm": "other"}).status_code == 422
    assert bob.post(address, {"confirm": "data"}).status_code == 302
    run_loop()
    assert sim.find_volume("data") is None


@pytest.mark.parametrize(("size", "status"), [(None, 422), (0, 302)], ids=["not measured", "empty"])
def test_the_name_is_typed_unless_nothing_is_in_it(bob: Client, at: Any, data: Volume, size: int | None, status: int):
    Volume.all_objects.filter(pk=data.pk).update(size=size)
    assert bob.post(at("volume-remove", pk=data.pk), headers=HTMX if status == 422 else {}).status_code == status


def test_what_is_in_use_cannot_be_deleted(bob: Client, at: Any, used: Volume, sim: SimulatedDriver):
    page = bob.get(at("volumes"))
    assert "is used by box" in text(page)
    refused = bob.post(at("volume-remove", pk=used.pk), headers=HTMX)
    assert refused.status_code == 422
    assert sim.find_volume("used") is not None


@pytest.fixture
def spare(data: Volume, used: Volume, sim: SimulatedDriver, list_now: Any) -> None:
    """Another volume that nothing uses, and that nobody named."""
    sim.create_volume(UNNAMED, "local", {}, {})
    list_now()


def test_cleaning_up_shows_what_goes_the_unnamed_ticked(bob: Client, at: Any, spare: None):
    page = bob.get(at("volumes-prune"))
    assert [row.name for row in page.context["rows"]] == ["data", UNNAMED]
    ticked = re.findall(r'value="(\d+)"\s+checked', page.content.decode())
    assert ticked == [str(Volume.all_objects.get(name=UNNAMED).pk)]
    assert "2 unused volumes, 15" in text(page)


def test_what_is_ticked_goes_and_nothing_else(bob: Client, at: Any, spare: None, sim: SimulatedDriver, run_loop: Any):
    chosen = list(Volume.all_objects.filter(name__in=("data", "used")).values_list("pk", flat=True))
    done = bob.post(at("volumes-prune"), {"volume": [*chosen, "nonsense", "99999"]})
    assert (done.status_code, done["Location"]) == (302, at("volumes"))
    run_loop()
    assert {each.name for each in sim.volumes()} == {"used", UNNAMED}


def test_cleaning_up_of_one_host_comes_back_to_it(bob: Client, at: Any, spare: None, host: Host):
    done = bob.post(f"{at('volumes-prune')}?host={host.pk}", {"volume": []})
    assert done["Location"] == at("host-volumes", pk=host.pk)
    assert bob.get(f"{at('volumes-prune')}?host=999").status_code == 404


def test_with_nothing_unused_there_is_nothing_to_clean_up(bob: Client, at: Any, used: Volume):
    assert "there is nothing to clean up" in text(bob.get(at("volumes-prune")))


def test_who_may_only_look_changes_nothing(browser_as: Any, at: Any, data: Volume, sim: SimulatedDriver):
    rita = browser_as("rita")
    assert rita.get(at("volume-new")).status_code == 403
    assert rita.get(at("volumes-prune")).status_code == 403
    assert rita.post(at("volumes-prune"), {"volume": [data.pk]}, headers=HTMX).status_code == 403
    assert rita.post(at("volume-remove", pk=data.pk), {"confirm": "data"}, headers=HTMX).status_code == 403
    assert sim.find_volume("data") is not None


def test_another_environments_volume_is_not_found(browser_as: Any, at: Any, data: Volume):
    mallory = browser_as("mallory")
    for name in ("volume", "volume-remove"):
        assert mallory.get(at(name, pk=data.pk)).status_code == 404
    assert mallory.get(at("volumes")).status_code == 404


def test_the_list_takes_the_same_queries_for_one_and_for_many(
    bob: Client, at: Any, sim: SimulatedDriver, list_now: Any, django_assert_max_num_queries: Any
):
    def count() -> int:
        with django_assert_max_num_queries(60) as captured:
            bob.get(at("volumes"))
        return len(captured)

    sim.create_volume("v00", "local", {}, {})
    list_now()
    bob.get(at("volumes"))
    first = count()
    for number in range(1, 40):
        sim.create_volume(f"v{number:02}", "local", {}, {})
    list_now()
    assert count() == first
