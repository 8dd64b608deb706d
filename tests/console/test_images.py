"""The images of an environment and of its hosts in the console: lists, details, copies, removal, cleaning up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.images.inventory import take_inventory
from apps.containers.models import HostImage, ImageInventory, ImageRemoval, Pull
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.models import Service

HX = {"HX-Request": "true"}
IMAGE = "shop:1"


@pytest.fixture
def two(lab: Environment, host: Host) -> Host:
    """A second host, which has the image."""
    engine.simulated_engine("lab2").local_images.add(IMAGE)
    row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    return row


@pytest.fixture
def shop_image(two: Host) -> HostImage:
    found: HostImage = HostImage.all_objects.get(name=IMAGE)
    return found


def listed(answer: Any) -> list[tuple[str, int]]:
    """The images of the page, and on how many hosts each is."""
    return [(use.tags[0] if use.tags else "-", len(use.rows)) for use in answer.context["page"].rows]


def test_an_environment_lists_each_image_once_with_its_hosts(browser_as: Any, at: Any, two: Host):
    answer = browser_as("rita").get(at("images"))
    assert listed(answer) == [("bb:local", 2), (IMAGE, 1)]
    page = answer.content.decode()
    assert "h1" in page
    assert "as of" in page
    assert 'name="row"' not in page, "who only reads chooses nothing"
    assert at("images-remove") + "?row" not in page


def test_a_host_lists_its_own_with_their_size(browser_as: Any, at: Any, two: Host, host: Host):
    answer = browser_as("rita").get(at("host-images", pk=two.pk))
    assert listed(answer) == [("bb:local", 1), (IMAGE, 1)]
    assert "3.8" in answer.content.decode()
    assert listed(browser_as("rita").get(at("host-images", pk=host.pk))) == [("bb:local", 1)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=shop", [(IMAGE, 1)]),
        ("q=nothing", []),
        ("host=h1", [("bb:local", 1)]),
        ("use=unused", [(IMAGE, 1)]),
        ("use=used", [("bb:local", 1)]),
        ("use=dangling", []),
        ("sort=-name", [(IMAGE, 1), ("bb:local", 2)]),
        ("sort=-hosts", [("bb:local", 2), (IMAGE, 1)]),
        ("sort=users", [(IMAGE, 1), ("bb:local", 2)]),
        ("sort=nonsense", [("bb:local", 2), (IMAGE, 1)]),
    ],
)
def test_filters_and_orders(
    browser_as: Any, at: Any, two: Host, host: Host, web: Service, query: str, expected: list[tuple[str, int]]
):
    HostImage.all_objects.filter(host=two, name="bb:local").update(user_count=0)
    take_inventory(host)
    if query == "use=unused":
        expected = [("bb:local", 1), *expected]
    assert listed(browser_as("rita").get(f"{at('images')}?{query}")) == expected


def test_an_image_is_found_by_the_beginning_of_its_id(browser_as: Any, at: Any, shop_image: HostImage):
    for text in (shop_image.short_id, shop_image.image_id):
        assert listed(browser_as("rita").get(f"{at('images')}?q={text}")) == [(IMAGE, 1)]


def test_what_uses_an_image_is_named(browser_as: Any, at: Any, host: Host, web: Service):
    take_inventory(host)
    page = browser_as("rita").get(at("images")).content.decode()
    assert "shop-web-1" in page or "shop_web_1" in page


def test_the_page_asks_no_engine(browser_as: Any, at: Any, two: Host, host: Host, sim: SimulatedDriver):
    before = dict(sim.calls)
    sim.down = True
    for path in (at("images"), at("host-images", pk=host.pk)):
        answer = browser_as("rita").get(path)
        assert (answer.status_code, b"bb:local" in answer.content) == (200, True)
    assert dict(sim.calls) == before


def test_an_empty_engine_says_what_comes(browser_as: Any, at: Any, two: Host):
    engine.simulated_engine("lab2").local_images.clear()
    take_inventory(two)
    assert b"No images yet" in browser_as("rita").get(at("host-images", pk=two.pk)).content


def test_the_details_have_names_history_and_hosts(browser_as: Any, at: Any, shop_image: HostImage):
    page = browser_as("rita").get(at("image", pk=shop_image.pk)).content.decode()
    for text in (IMAGE, shop_image.short_id, "linux/amd64", "ADD simulated layer", "80/tcp", "h2"):
        assert text in page
    assert at("image-tag", pk=shop_image.pk) not in page


def test_details_of_a_host_that_is_away_are_what_is_known(browser_as: Any, at: Any, shop_image: HostImage):
    engine.simulated_engine("lab2").down = True
    answer = browser_as("rita").get(at("image", pk=shop_image.pk))
    assert answer.status_code == 200
    assert b"switched off" in answer.content
    assert b"ADD simulated" not in answer.content


def test_an_image_is_pulled_to_all_hosts_or_to_one(browser_as: Any, at: Any, two: Host, host: Host):
    rex = browser_as("rex")
    assert b"All active hosts" in rex.get(at("images-pull"), headers=HX).content
    answer = rex.post(at("images-pull"), {"image": "new:1", "host": str(two.pk)}, headers=HX)
    assert answer.status_code == 204
    assert "Pulling new:1 to 1 host." in answer["HX-Trigger"]
    assert [row.host_id for row in Pull.all_objects.all()] == [two.pk]
    rex.post(at("images-pull"), {"image": "new:1"}, headers=HX)
    assert Pull.all_objects.count() == 2
    page = rex.get(at("images")).content.decode()
    assert page.count("new:1") >= 2


@pytest.mark.parametrize("sent", [{"image": ""}, {"image": "Bad Name"}, {"image": "new:1", "host": "999"}])
def test_a_wrong_pull_is_said_in_the_dialog(browser_as: Any, at: Any, two: Host, sent: dict[str, str]):
    answer = browser_as("rex").post(at("images-pull"), sent, headers=HX)
    assert answer.status_code == 422
    assert b"wrong" in answer.content
    assert not Pull.all_objects.exists()


def test_a_copy_is_requested_and_seen_on_both_ends_and_stopped(
    browser_as: Any, at: Any, shop_image: HostImage, two: Host, host: Host, sim: SimulatedDriver
):
    bob, copy = browser_as("bob"), at("image-copy", pk=shop_image.pk)
    assert b"h1" in bob.get(copy, headers=HX).content
    answer = bob.post(copy, {"image": IMAGE, "to": str(host.pk)}, headers=HX)
    assert answer.status_code == 204
    assert f"Copying {IMAGE} to h1." in answer["HX-Trigger"]
    Pull.all_objects.update(status={"percent": 40, "from": "h2"})
    for row in (host, two):
        assert "40 %" in bob.get(at("host-images", pk=row.pk)).content.decode()
    cancel = at("pull-cancel", pk=Pull.all_objects.get().pk)
    assert cancel in bob.get(at("images")).content.decode()
    assert browser_as("rita").post(cancel, headers=HX).status_code == 403
    assert bob.post(cancel, headers=HX).status_code == 204
    reconcile_one("pull", Pull.all_objects.get().pk)
    assert "Cancelled." in bob.get(at("images")).content.decode()
    bob.post(copy, {"image": IMAGE, "to": str(host.pk)}, headers=HX)
    reconcile_one("pull", Pull.all_objects.get().pk)
    assert sim.find_image(IMAGE)
    assert "40 %" not in bob.get(at("images")).content.decode()


@pytest.mark.parametrize(("image", "to"), [(IMAGE, ""), (IMAGE, "999"), (IMAGE, "own"), ("bb:local", "other")])
def test_a_copy_to_nowhere_or_of_another_image_is_refused(
    browser_as: Any, at: Any, shop_image: HostImage, host: Host, image: str, to: str
):
    numbers = {"own": str(shop_image.host_id), "other": str(host.pk)}
    sent = {"image": image, "to": numbers.get(to, to)}
    answer = browser_as("alice").post(at("image-copy", pk=shop_image.pk), sent, headers=HX)
    assert answer.status_code == 422
    assert not Pull.all_objects.exists()


def test_an_image_gets_another_name(browser_as: Any, at: Any, shop_image: HostImage):
    bob, tag = browser_as("bob"), at("image-tag", pk=shop_image.pk)
    assert bob.get(tag, headers=HX).status_code == 200
    wrong = bob.post(tag, {"name": "Not A Name"}, headers=HX)
    assert (wrong.status_code, b"Not A Name" in wrong.content) == (422, True)
    answer = bob.post(tag, {"name": "shop:stable"}, headers=HX)
    assert answer.status_code == 204
    assert "shop:stable" in bob.get(at("images")).content.decode()


def test_an_image_is_downloaded_by_who_may(browser_as: Any, at: Any, shop_image: HostImage):
    address, page = at("image-archive", pk=shop_image.pk), at("image", pk=shop_image.pk)
    answer = browser_as("bob").get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-tar")
    assert 'filename="shop-1.tar"' in answer["Content-Disposition"]
    assert len(b"".join(answer.streaming_content)) > 4_000_000
    assert address in browser_as("bob").get(page).content.decode()
    for who, status in (("rex", 403), ("rita", 403), ("mallory", 404)):
        assert browser_as(who).get(address).status_code == status
    assert address not in browser_as("rita").get(page).content.decode()


def test_chosen_images_are_summed_up_and_removed(
    browser_as: Any, at: Any, shop_image: HostImage, host: Host, web: Service
):
    take_inventory(host)
    bob, local = browser_as("bob"), HostImage.all_objects.get(name="bb:local", host=host)
    address = f"{at('images-remove')}?row={shop_image.pk}&row={local.pk}"
    page = bob.get(address, headers=HX).content.decode()
    assert "Remove 3 images?" in page, "the other one is on both hosts"
    assert "These stay, because containers were made from them" in page
    assert "These stay, because a container or service of the environment names them" in page, "on the other host"
    assert 'name="force"' not in page, "that is for owners"
    assert 'name="force"' in browser_as("alice").get(address, headers=HX).content.decode()
    answer = bob.post(at("images-remove"), {"row": [str(shop_image.pk)]}, headers=HX)
    assert answer.status_code == 204
    assert "Removing 1 image from 1 host." in answer["HX-Trigger"]
    assert "Removing shop:1 from h2" in bob.get(at("images")).content.decode()
    reconcile_one("imageRemoval", ImageRemoval.all_objects.get().pk)
    assert engine.simulated_engine("lab2").find_image(IMAGE) is None
    page = bob.get(at("images")).content.decode()
    assert "1 image was removed from h2" in page


@pytest.mark.parametrize("force", [False, True])
def test_what_is_said_to_stay_stays_with_all_its_names(
    browser_as: Any, at: Any, host: Host, web: Service, sim: SimulatedDriver, force: bool
):
    sim.tag_image("bb:local", "bb:old")
    take_inventory(host)
    local = HostImage.all_objects.get(tags__contains="bb:local", host=host)
    alice = browser_as("alice")
    page = alice.get(f"{at('images-remove')}?row={local.pk}", headers=HX).content.decode()
    assert "These stay, because containers were made from them" in page
    assert "Images of running containers stay." in page
    alice.post(at("images-remove"), {"row": [str(local.pk)], **({"force": "on"} if force else {})}, headers=HX)
    reconcile_one("imageRemoval", ImageRemoval.all_objects.get().pk)
    found = sim.find_image("bb:old")
    assert found is not None
    assert found.tags == ("bb:local", "bb:old")
    page = alice.get(at("images")).content.decode()
    assert "the running container" in page
    assert "0 images were removed" in page


def test_the_list_says_which_names_went(browser_as: Any, at: Any, shop_image: HostImage):
    engine.simulated_engine("lab2").tag_image(IMAGE, "shop:late")
    browser_as("bob").post(at("images-remove"), {"row": [str(shop_image.pk)]}, headers=HX)
    reconcile_one("imageRemoval", ImageRemoval.all_objects.get().pk)
    page = browser_as("bob").get(at("images")).content.decode()
    assert "Removed shop:1. The image stays as shop:late." in page
    assert "0 images were removed" not in page


def test_of_a_host_only_its_own_is_removed(browser_as: Any, at: Any, two: Host, host: Host):
    local = HostImage.all_objects.get(name="bb:local", host=host)
    sent = {"row": str(local.pk), "host": str(host.pk), "leave": "1"}
    page = browser_as("bob").get(f"{at('images-remove')}?row={local.pk}&host={host.pk}", headers=HX).content.decode()
    assert "Remove 1 image?" in page
    assert f'name="host" value="{host.pk}"' in page
    answer = browser_as("bob").post(at("images-remove"), sent, headers=HX)
    assert answer["HX-Redirect"] == at("images")
    assert [row.host_id for row in ImageRemoval.all_objects.all()] == [host.pk]


@pytest.mark.parametrize("rows", [[], ["999"], ["x"], ["9" * 40]])
def test_nothing_chosen_is_said(browser_as: Any, at: Any, two: Host, rows: list[str]):
    answer = browser_as("bob").post(at("images-remove"), {"row": rows}, headers=HX)
    assert answer.status_code == 422
    assert b"Choose the images to remove." in answer.content
    assert browser_as("bob").get(at("images-remove"), headers=HX).status_code == 200


def test_cleaning_up_shows_what_goes_and_removes_just_that(
    browser_as: Any, at: Any, two: Host, host: Host, web: Service
):
    take_inventory(host)
    bob = browser_as("bob")
    page = bob.get(at("images-prune"), headers=HX).content.decode()
    assert "There is nothing to remove." in page
    answer = bob.get(f"{at('images-prune-preview')}?rule=unused&host={two.pk}&days=0", headers=HX)
    page, shown = answer.content.decode(), answer.context["preview"]
    assert "1 image goes" in page
    assert "Needed by containers or services of this environment, or by Corral itself: 1." in page
    sent = {"rule": "unused", "host": str(two.pk), "days": "0", "expected": shown.fingerprint}
    engine.simulated_engine("lab2").local_images.add("other:1")
    take_inventory(two)
    changed = bob.post(at("images-prune"), sent, headers=HX)
    assert changed.status_code == 409
    assert b"look again" in changed.content
    assert b"other:1" in changed.content, "and shows what would go now"
    sent["expected"] = changed.context["preview"].fingerprint
    done = bob.post(at("images-prune"), sent, headers=HX)
    assert done.status_code == 204
    assert "Removing 2 images from 1 host." in done["HX-Trigger"]
    reconcile_one("imageRemoval", ImageRemoval.all_objects.get().pk)
    assert {row.name for row in HostImage.all_objects.filter(host=two)} == {"bb:local"}


@pytest.mark.parametrize("query", ["rule=all", "host=999", "host=x", "days=-1", "days=5", "rule=unused&days=999999999"])
def test_a_rule_that_is_none_shows_the_gentlest(browser_as: Any, at: Any, two: Host, query: str):
    answer = browser_as("bob").get(f"{at('images-prune-preview')}?{query}", headers=HX)
    assert answer.status_code == 200
    assert answer.context["preview"].days == 0


def test_a_list_is_renewed_on_request(browser_as: Any, at: Any, two: Host, host: Host):
    assert browser_as("rita").post(at("images-scan"), headers=HX).status_code == 403
    assert browser_as("rex").post(at("images-scan"), {"host": str(two.pk)}, headers=HX).status_code == 204
    assert list(ImageInventory.objects.filter(is_stale=True).values_list("host", flat=True)) == [two.pk]
    assert browser_as("rex").post(at("images-scan"), headers=HX).status_code == 204
    assert ImageInventory.objects.filter(is_stale=True).count() == 2


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_who_may_not_manage_hosts_changes_nothing(
    browser_as: Callable[[str], Any], at: Any, shop_image: HostImage, who: str
):
    client = browser_as(who)
    sent = {"image": IMAGE, "to": "1", "row": str(shop_image.pk), "name": "a:1", "rule": "unused"}
    for address in (
        at("image-copy", pk=shop_image.pk),
        at("image-tag", pk=shop_image.pk),
        at("images-remove"),
        at("images-prune"),
    ):
        assert client.post(address, sent, headers=HX).status_code == 403
        assert client.get(address, headers=HX).status_code == 403
    assert engine.simulated_engine("lab2").find_image(IMAGE)
    assert not Pull.all_objects.exists()
    assert not ImageRemoval.all_objects.exists()


def test_a_foreign_environment_is_not_found(browser_as: Any, at: Any, shop_image: HostImage, two: Host):
    for name, key in (("image", shop_image.pk), ("image-copy", shop_image.pk), ("host-images", two.pk)):
        assert browser_as("mallory").get(at(name, pk=key)).status_code == 404
    for name in ("images", "images-pull", "images-remove", "images-prune", "images-prune-preview"):
        assert browser_as("mallory").get(at(name)).status_code == 404


def test_more_images_take_no_more_queries(
    browser_as: Any, at: Any, two: Host, host: Host, django_assert_num_queries: Any
):
    from tests.console.page_costs import queries

    rita = browser_as("rita")
    take_inventory(two)
    before = queries(rita, at("images"))
    for n in range(30):
        engine.simulated_engine("lab2").local_images.add(f"app:{n}")
        engine.simulated_engine("lab").local_images.add(f"app:{n}")
    take_inventory(two)
    take_inventory(host)
    assert queries(rita, at("images")) == before


@pytest.fixture
def archive(host: Host, sim: SimulatedDriver) -> bytes:
    """An archive of an image that the host does not have."""
    sim.local_images.add(IMAGE)
    found = b"".join(sim.save(IMAGE))
    sim.local_images.discard(IMAGE)
    return found


def test_an_archive_is_imported_to_the_chosen_host(
    browser_as: Any, at: Any, host: Host, archive: bytes, sim: SimulatedDriver
):
    bob = browser_as("bob")
    page = bob.get(at("images-import") + f"?host={host.pk}", headers=HX).content.decode()
    assert at("images-import-file") in page
    url = f"{at('images-import-file')}?host={host.pk}"
    answer = bob.post(url, archive, content_type="application/x-tar", headers=HX)
    assert answer.status_code == 204, answer.content
    assert "Imported shop:1 to h1." in answer.headers["HX-Trigger"]
    assert sim.find_image(IMAGE)


@pytest.mark.parametrize(
    ("who", "body", "status"), [("rita", b"", 403), ("rex", b"", 403), ("bob", b"x", 422), ("mallory", b"", 404)]
)
def test_an_import_that_may_not_or_cannot_be_is_refused(
    browser_as: Any, at: Any, host: Host, who: str, body: bytes, status: int
):
    url = f"{at('images-import-file')}?host={host.pk}"
    answer = browser_as(who).post(url, body, content_type="application/x-tar", headers=HX)
    assert answer.status_code == status
    if who != "mallory":
        assert browser_as(who).get(at("images-import"), headers=HX).status_code == (200 if who == "bob" else 403)


def test_an_import_without_a_file_or_a_host_says_so(browser_as: Any, at: Any, host: Host):
    bob = browser_as("bob")
    assert b"Choose an archive" in bob.post(at("images-import"), {"host": host.pk}, headers=HX).content
    assert bob.post(f"{at('images-import-file')}?host=999999", b"", content_type="application/x-tar").status_code == 404
    Host.all_objects.filter(pk=host.pk).update(state="inactive")
    assert b"No host of this environment is active" in bob.get(at("images-import"), headers=HX).content
