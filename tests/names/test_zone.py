"""What a name means to who asks it, as a client reads the answer."""

from __future__ import annotations

import dnslib
import pytest

from corral_agent.documents import DocumentRefused
from corral_agent.names.document import parse_names
from corral_agent.names.zone import MeaningKind, Zone
from tests.names.zones import DB, DOCUMENT, WEB, answering, ask, code, question, said

ANYBODY, OTHER, HOST = "10.42.9.9", "10.42.4.20", "169.254.169.250"
ALL_WEB = ["10.42.4.1", "10.42.4.2", "10.42.4.3"]


@pytest.mark.parametrize(
    ("client", "name", "addresses"),
    [
        (WEB, "web", ALL_WEB),
        (WEB, "WEB.Lab", ALL_WEB),
        (WEB, "web.lab.rancher.internal", ALL_WEB),
        (WEB, "side", ["10.42.4.5"]),  # its own sidekick
        (DB, "side", None),  # somebody else's
        (DB, "side.web", ["10.42.4.5"]),
        (WEB, "db", [DB]),  # of its own stack
        (OTHER, "db", ["10.42.4.20"]),
        (WEB, "db.other", ["10.42.4.20"]),
        (WEB, "mydb", ["10.42.4.20"]),
        (WEB, "mydb.rancher.internal", ["10.42.4.20"]),
        (WEB, "mydb.lab.rancher.internal", ["10.42.4.20"]),  # as a resolver with search domains asks
        (DB, "mydb", None),
        (DB, "web", ["10.42.4.20"]),  # what it calls so itself goes before its stack's
        (DB, "web.lab.rancher.internal", ALL_WEB),  # but a full name is nobody's own
        (WEB, "lab_web_1", [WEB]),
        (WEB, "lab_web_1.rancher.internal", [WEB]),
        (ANYBODY, "lab_web_1", [WEB]),
        (ANYBODY, "web.lab", ALL_WEB),
        (ANYBODY, "web", None),
        (HOST, "web", ALL_WEB),
        ("127.0.0.1", "front", ALL_WEB),
        (ANYBODY, "rancher-metadata", [HOST]),
        (WEB, "rancher-metadata.rancher.internal", [HOST]),
        (WEB, "example.com", None),
        (WEB, "lab", None),
        (WEB, "rancher.internal.example.com", None),
        (WEB, "xrancher.internal", None),
    ],
)
def test_names_and_who_asks(client: str, name: str, addresses: list[str] | None):
    answer = ask(answering(), name, client)
    assert addresses == (None if answer is None else sorted(said(answer)))


@pytest.mark.parametrize(
    "name", ["nope.rancher.internal", "nope.lab.rancher.internal", "mydb.web.rancher.internal", "away"]
)
def test_what_is_unknown_below_the_domain_does_not_exist(name: str):
    answer = ask(answering(), name)
    assert (code(answer), said(answer)) == ("NXDOMAIN", [])
    assert answer is not None
    (authority,) = answer.auth
    assert (str(authority.rname), authority.ttl, authority.rdata.times[-1]) == ("rancher.internal.", 1, 1)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("web", "AAAA"), ("web", "MX"), ("empty.lab", "A"), ("rancher.internal", "A"), ("1.4.42.10.in-addr.arpa", "A")],
)
def test_a_known_name_without_such_records_is_no_error(name: str, kind: str):
    answer = ask(answering(), name, kind=kind)
    assert (code(answer), said(answer)) == ("NOERROR", [])
    assert answer is not None
    assert len(answer.auth) == 1


def test_each_family_gets_its_addresses():
    known = answering()
    assert said(ask(known, "mixed.lab", kind="A")) == ["192.0.2.7"]
    assert said(ask(known, "mixed.lab", kind="AAAA")) == ["2001:db8::7"]
    assert said(ask(known, "mixed.lab", kind="ANY")) == ["192.0.2.7"]


def test_addresses_have_the_names_of_their_containers():
    known = answering()
    assert said(ask(known, "1.4.42.10.in-addr.arpa", kind="PTR")) == ["lab_web_1.rancher.internal."]
    assert said(ask(known, "2.4.42.10.in-addr.arpa", kind="PTR")) == ["web.lab.rancher.internal."]
    assert ask(known, "9.9.42.10.in-addr.arpa", kind="PTR") is None
    assert ask(known, "nonsense.in-addr.arpa", kind="PTR") is None


def test_every_answer_begins_with_the_next_address():
    known, first = answering(), []
    for name in ("web", "web.lab", "web.lab.rancher.internal") * 2:  # however it is written, and whoever asks
        found = said(ask(known, name, DB if name != "web" else WEB))
        assert sorted(found) == ALL_WEB
        first.append(found[0])
    assert first[:3] == first[3:]
    assert sorted(first[:3]) == ALL_WEB


def test_answers_that_were_made_before_rotate_too():
    known = answering()
    message = question("web")
    assert known.quick_answer(message, WEB) is None
    answers = [known.own_answer(message, WEB), *(known.quick_answer(message, WEB) for _ in range(5))]
    first = [said(dnslib.DNSRecord.parse(answer))[0] for answer in answers]
    assert first[:3] == first[3:]
    assert sorted(first[:3]) == ALL_WEB
    assert known.quick_answer(message, DB) is None  # what is its name for another is not known yet


def test_another_document_replaces_what_was_answered():
    known = answering()
    message = question("web")
    known.own_answer(message, WEB)
    known.use(parse_names({**DOCUMENT, "records": {"web.lab": ["10.42.4.77"]}}))
    assert known.quick_answer(message, WEB) is None
    assert said(ask(known, "web")) == ["10.42.4.77"]


def test_an_external_name_is_asked_elsewhere():
    zone = Zone(parse_names(DOCUMENT))
    for name in ("out", "out.lab", "out.lab.rancher.internal", "o"):
        meaning = zone.meaning(name, WEB)
        assert (meaning.kind, meaning.target) == (MeaningKind.ELSEWHERE, "db.example.com")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"domain": ""}, "domain: a name has 1 to 253 characters"),
        ({"domain": None}, "domain: "),
        ({"records": []}, "records: this is to be an object"),
        ({"records": {"web.lab": "10.42.4.1"}}, "records.web.lab: this is to be a list"),
        ({"records": {"web.lab": ["10.42.4.300"]}}, "records.web.lab: '10.42.4.300' is no IP address"),
        ({"records": {"web..lab": []}}, "records: 'web..lab' is no name"),
        ({"records": {"w" * 64: []}}, "is no name: labels have 1 to 63 ASCII characters"),
        ({"externals": {"a": 1}}, "externals.a: a name has"),
        ({"views": {"web": {}}}, "views: 'web' is no IP address"),
        ({"views": {"10.42.4.1": {"search": "lab"}}}, "views.10.42.4.1.search: this is to be a list"),
        ({"views": {"10.42.4.1": {"links": {"a": ""}}}}, "views.10.42.4.1.links.a: a name has"),
        ({"hostNetwork": 3}, "hostNetwork: this is to be an object"),
    ],
)
def test_a_wrong_document_is_refused_with_its_field(change: dict[str, object], reason: str):
    with pytest.raises(DocumentRefused) as refused:
        parse_names({**DOCUMENT, **change})
    assert reason in str(refused.value)
