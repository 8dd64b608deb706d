"""The check of the hosts in the console: asked for by whoever operates, failing pairs first, all pairs on request."""

from __future__ import annotations

from typing import Any

from apps.control.reconcile import reconcile_one
from apps.environments.models import Environment
from apps.network.models import NetworkCheck
from tests.network.joined_hosts import answer, join


def test_a_check_is_asked_for_and_shown(browser_as: Any, at: Any, lab: Environment):
    assert "They were not checked yet" in browser_as("rita").get(at("network")).content.decode()
    assert browser_as("bob").post(at("network-check")).status_code in {204, 302}
    hosts = [join(lab, number) for number in (1, 2)]
    page = browser_as("rita").get(at("network")).content.decode()
    assert "The hosts are being asked." in page
    answer(*hosts)
    reconcile_one("networkCheck", NetworkCheck.all_objects.get().pk)
    page = browser_as("rita").get(at("network")).content.decode()
    assert "All is well with 2 hosts and 1 pair of them." in page
    assert "0.5 ms" in page
    own = browser_as("rita").get(at("host", pk=hosts[0].pk)).content.decode()
    assert "found nothing wrong with this host" in own


def test_what_failed_is_shown_on_the_network_and_on_both_hosts(browser_as: Any, at: Any, lab: Environment):
    first, second = (join(lab, number) for number in (1, 2))

    def cut(status: dict[str, Any]) -> None:
        status["seconds"] = 20
        if str(first.uuid) in status["peers"]:
            status["peers"][str(first.uuid)] |= {"sizes": {}, "carried": False}

    answer(first, second, change=cut)
    reconcile_one("networkCheck", NetworkCheck.all_objects.get().pk)
    expected = "UDP 51820 from h1 to h2 does not arrive"
    for page in (at("network"), at("host", pk=first.pk), at("host", pk=second.pk)):
        assert expected in browser_as("rita").get(page).content.decode()


def test_readers_get_a_reason_instead_of_a_check(browser_as: Any, at: Any, lab: Environment):
    page = browser_as("rita").get(at("network")).content.decode()
    assert 'aria-disabled="true"' in page
    assert browser_as("rita").post(at("network-check"), HTTP_HX_REQUEST="true").status_code == 403
    assert not NetworkCheck.all_objects.filter(environment=lab.pk).exists()


def test_owners_measure_the_throughput_between_two_hosts(browser_as: Any, at: Any, lab: Environment):
    hosts = [join(lab, number) for number in (1, 2)]
    assert 'name="from"' not in browser_as("bob").get(at("network")).content.decode()
    alice = browser_as("alice")
    assert 'name="from"' in alice.get(at("network")).content.decode()
    sent = {"from": str(hosts[0].pk), "to": str(hosts[1].pk)}
    assert browser_as("bob").post(at("network-check"), sent, HTTP_HX_REQUEST="true").status_code == 403
    for wrong in ({"from": "x", "to": sent["to"]}, {"from": sent["to"]}, {"from": sent["to"], "to": sent["to"]}):
        assert alice.post(at("network-check"), wrong, HTTP_HX_REQUEST="true").status_code == 422
    assert alice.post(at("network-check"), sent).status_code in {204, 302}
    answer(*hosts)
    reconcile_one("networkCheck", NetworkCheck.all_objects.get().pk)
    assert "there / back: 1 Gbit/s / 1 Gbit/s" in browser_as("rita").get(at("network")).content.decode()
