"""The catalog's pages: applications, one of them, its launch and upgrade; and the catalogs themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.catalog.models import Catalog, Template, TemplateVersion
from apps.catalog.services import catalog_create
from apps.catalog.storage import FILES
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from tests.catalog.loop import settle
from tests.catalog.repositories import RANCHER, Repository, template_files

pytestmark = pytest.mark.django_db
ASKS_MORE = RANCHER.replace(
    "web:\n",
    """    - variable: SECRET
      label: Secret
      type: password
      required: true
      generate: 20
    - variable: SHOUT
      label: Shout
      type: boolean
      default: false
    - variable: LEVEL
      label: How loud
      type: enum
      options: [loud, louder]
      default: loud
      show_if: SHOUT=true
      group: Volume
web:
""",
)


@pytest.fixture(autouse=True)
def no_remembered_files() -> Iterator[None]:
    FILES.clear()
    yield
    FILES.clear()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    found = Repository(tmp_path / "repository")
    found.write(template_files("templates/greeter", "Greeter", {0: "1.0", 1: "1.1"}))
    found.write({"templates/greeter/1/rancher-compose.yml": ASKS_MORE.format(name="Greeter", version="1.1")})
    found.commit(template_files("templates/counter", "Counter", {0: "0.1"}, category="Tools"))
    return found


@pytest.fixture
def catalog(lab: Environment, host: Host, actor_of: Any, repository: Repository) -> Catalog:
    row = catalog_create(actor=actor_of("alice"), environment=lab, name="ours", url=repository.url)
    reconcile_until_idle()
    row.refresh_from_db()
    return row


@pytest.fixture
def greeter(catalog: Catalog) -> Template:
    found: Template = catalog.templates.get(key="greeter")
    return found


def launch(client: Any, at: Any, greeter: Template, **more: str) -> Any:
    values = {"name": "hi", "version": "0", "start": "on", "answer.GREETING": "hey", **more}
    answer = client.post(at("template-launch", pk=greeter.pk), values)
    settle()
    return answer


def test_applications_are_cards_with_icon_version_and_catalog(browser_as: Any, at: Any, greeter: Template):
    page = browser_as("rita").get(at("catalog"))
    text = page.content.decode()
    assert [row.name for row in page.context["page"].rows] == ["Counter", "Greeter"]
    assert at("template-icon", pk=greeter.pk) in text
    assert "Serves a greeting." in text
    assert page.context["categories"] == [("Tools", "Tools (1)"), ("Web", "Web (1)")]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?q=greeter", ["Greeter"]),
        ("?category=Tools", ["Counter"]),
        ("?catalog=ours", ["Counter", "Greeter"]),
        ("?catalog=theirs", []),
        ("?q=nothing", []),
    ],
)
def test_applications_are_searched(browser_as: Any, at: Any, greeter: Template, query: str, names: list[str]):
    page = browser_as("rita").get(at("catalog") + query)
    assert [row.name for row in page.context["page"].rows] == names


def test_without_catalogs_the_page_says_what_to_do(browser_as: Any, at: Any):
    text = browser_as("alice").get(at("catalog")).content.decode()
    assert "No applications yet" in text
    assert at("catalog-sources") in text


def test_a_catalog_that_cannot_be_read_is_said_above_the_cards(
    browser_as: Any, at: Any, catalog: Catalog, repository: Repository, actor_of: Any
):
    from apps.catalog.services import catalog_act

    repository.folder.rename(repository.folder.with_name("away"))
    catalog_act(catalog, "refresh", actor=actor_of("alice"))
    reconcile_until_idle()
    text = browser_as("rita").get(at("catalog")).content.decode()
    assert "There is no git repository at this address." in text
    assert "Greeter" in text


def test_an_icon_is_a_picture_in_which_nothing_runs(browser_as: Any, at: Any, greeter: Template):
    answer = browser_as("rita").get(at("template-icon", pk=greeter.pk))
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_an_icon_that_is_no_picture_is_not_served(
    browser_as: Any, at: Any, greeter: Template, repository: Repository, actor_of: Any, catalog: Catalog
):
    from apps.catalog.services import catalog_act

    repository.commit({"templates/greeter/catalogIcon-greeter.svg": "<html><script>alert(1)</script></html>"})
    catalog_act(catalog, "refresh", actor=actor_of("alice"))
    reconcile_until_idle()
    assert browser_as("rita").get(at("template-icon", pk=greeter.pk)).status_code == 404


def test_a_template_shows_its_readme_versions_and_stacks(browser_as: Any, at: Any, greeter: Template):
    launch(browser_as("bob"), at, greeter)
    page = browser_as("rita").get(at("template", pk=greeter.pk))
    text = page.content.decode()
    assert "<em>greets</em>" in text
    assert [each.version for each in page.context["versions"]] == ["1.1", "1.0"]
    assert [(stack.name, version) for stack, version in page.context["stacks"]] == [("hi", "1.0")]
    assert 'aria-disabled="true"' in text  # she may look, and sees why she may not launch


def test_a_readme_is_no_markup_of_ours(
    browser_as: Any, at: Any, repository: Repository, actor_of: Any, catalog: Catalog, greeter: Template
):
    from apps.catalog.services import catalog_act

    repository.commit({"templates/greeter/README.md": "# Hi\n<script>alert(1)</script><img src=x onerror=alert(1)>\n"})
    catalog_act(catalog, "refresh", actor=actor_of("alice"))
    reconcile_until_idle()
    text = browser_as("rita").get(at("template", pk=greeter.pk)).content.decode()
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_a_stack_is_launched_by_answering(browser_as: Any, at: Any, greeter: Template):
    answer = launch(browser_as("bob"), at, greeter)
    row = Stack.all_objects.get(name="hi")
    assert (answer.status_code, answer["Location"]) == (302, at("stack", pk=row.pk))
    assert (row.state, row.external_id) == ("active", "catalog://ours:greeter:0")
    assert Service.all_objects.get(stack=row).config.environment["GREETING"] == "hey"


def test_wrong_answers_are_said_at_their_questions(browser_as: Any, at: Any, greeter: Template):
    values = {"answer.GREETING": "", "answer.LEVEL": "loudest", "answer.SHOUT": "true", "version": "1"}
    answer = launch(browser_as("bob"), at, greeter, **values)
    assert answer.status_code == 422
    fields = {each.question.variable: each for group in answer.context["groups"] for each in group.fields}
    assert fields["GREETING"].error
    assert fields["LEVEL"].error
    assert not fields["SHOUT"].error
    assert not Stack.all_objects.exists()


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 64])
def test_a_wrong_name_is_said_at_its_field(browser_as: Any, at: Any, greeter: Template, name: str):
    answer = launch(browser_as("bob"), at, greeter, name=name)
    assert answer.status_code == 422
    assert list(answer.context["errors"]) == ["name"]


def test_questions_are_grouped_and_hidden_until_they_are_asked(browser_as: Any, at: Any, greeter: Template):
    client = browser_as("bob")
    page = client.get(at("template-launch", pk=greeter.pk))
    groups = page.context["groups"]
    assert [group.title for group in groups] == ["", "Volume"]
    (level,) = groups[1].fields
    assert (level.is_shown, level.choices) == (False, ("loud", "louder"))
    looked = client.post(at("template-launch", pk=greeter.pk), {"step": "look", "version": "1", "answer.SHOUT": "true"})
    assert looked.status_code == 200
    assert looked.context["groups"][1].fields[0].is_shown
    assert not Stack.all_objects.exists()


def test_a_password_that_nobody_gave_is_generated_and_not_shown(browser_as: Any, at: Any, greeter: Template):
    client = browser_as("bob")
    launch(client, at, greeter, version="1")
    stored = Stack.all_objects.get(name="hi").variables["SECRET"]
    assert len(stored) == 20
    stack = Stack.all_objects.get(name="hi")
    assert stored not in client.get(at("stack-template", pk=stack.pk)).content.decode()


def test_the_preview_has_services_and_files_without_passwords(browser_as: Any, at: Any, greeter: Template):
    values = {"name": "hi", "version": "1", "answer.GREETING": "hey", "answer.SECRET": "s3cret-w0rd"}
    page = browser_as("bob").post(at("template-preview", pk=greeter.pk), values)
    text = page.content.decode()
    assert "sim/web:1.1" in text
    assert list(page.context["texts"]) == ["docker-compose.yml", "rancher-compose.yml", "answers.txt"]
    assert "GREETING=hey" in text
    assert "SECRET=********" in text
    assert "s3cret-w0rd" not in text
    assert not Stack.all_objects.exists()


def test_the_preview_names_the_questions_that_are_open(browser_as: Any, at: Any, greeter: Template):
    page = browser_as("bob").post(at("template-preview", pk=greeter.pk), {"version": "0", "answer.GREETING": ""})
    assert list(page.context["unanswered"]) == ["Greeting"], "as the form calls it"


@pytest.mark.parametrize("version", ["9", "x", "-1", "99999999999999999999"])
def test_a_version_that_is_not_there_is_not_found_or_the_newest(
    browser_as: Any, at: Any, greeter: Template, version: str
):
    answer = browser_as("bob").get(at("template-launch", pk=greeter.pk) + f"?version={version}")
    assert answer.status_code == (404 if version == "9" else 200)


def test_readers_launch_nothing(browser_as: Any, at: Any, greeter: Template):
    client = browser_as("rita")
    assert client.get(at("template-launch", pk=greeter.pk)).status_code == 403
    assert launch(client, at, greeter).status_code in {302, 403}
    assert not Stack.all_objects.exists()


def test_another_environment_has_no_part_in_it(browser_as: Any, at: Any, greeter: Template, actor_of: Any):
    den = environment_create(actor=actor_of("mallory"), name="Den")
    client = browser_as("mallory")
    assert client.get(at("template", pk=greeter.pk)).status_code == 404
    for page in ("", "/icon", "/launch"):
        assert client.get(f"/env/{den.pk}/catalog/{greeter.pk}{page}").status_code == 404
    assert client.post(f"/env/{den.pk}/catalogs/{greeter.catalog_id}/do/refresh").status_code in {302, 404}
    assert "Greeter" not in client.get(f"/env/{den.pk}/catalog").content.decode()


def test_an_upgrade_is_offered_shown_and_done(browser_as: Any, at: Any, greeter: Template):
    client = browser_as("bob")
    launch(client, at, greeter)
    row = Stack.all_objects.get(name="hi")
    assert "Upgrade available" in client.get(at("stacks")).content.decode()
    assert "Upgrade available: 1.1" in client.get(at("stack", pk=row.pk)).content.decode()
    path = at("stack-template", pk=row.pk)
    page = client.get(path)
    assert page.context["version"].version == "1.1"
    values = {"version": "1", "answer.GREETING": "ahoy", "answer.SECRET": "s3cret-w0rd"}
    skipped = client.post(path, {**values, "step": "apply"})
    row.refresh_from_db()
    assert (skipped.status_code, row.external_id) == (200, "catalog://ours:greeter:0")  # looked at first
    seen = client.post(path, {**values, "step": "preview"})
    assert [(each.name, each.what) for each in seen.context["changes"]] == [("web", "upgrade")]
    more = {"step": "apply", "previewed": seen.context["previewed"], "basedOn": seen.context["draft"].now.basis}
    done = client.post(path, {**values, **more})
    settle()
    row.refresh_from_db()
    assert (done.status_code, done["Location"]) == (302, at("stack", pk=row.pk))
    assert (row.state, row.external_id) == ("upgraded", "catalog://ours:greeter:1")
    assert row.variables["SECRET"] == "s3cret-w0rd"
    assert "Upgrade available" not in client.get(at("stacks")).content.decode()
    client.post(at("stack-do", pk=row.pk, action="rollback"))
    settle()
    row.refresh_from_db()
    assert (row.state, row.external_id) == ("active", "catalog://ours:greeter:0")
    assert "Upgrade available" in client.get(at("stack", pk=row.pk)).content.decode()


def test_an_edit_after_the_preview_is_looked_at_again(browser_as: Any, at: Any, greeter: Template):
    client = browser_as("bob")
    launch(client, at, greeter)
    row = Stack.all_objects.get(name="hi")
    path = at("stack-template", pk=row.pk)
    seen = client.post(path, {"version": "1", "answer.GREETING": "ahoy", "step": "preview"})
    more = {"step": "apply", "previewed": seen.context["previewed"], "answer.GREETING": "something else"}
    assert client.post(path, {"version": "1", **more}).status_code == 200
    row.refresh_from_db()
    assert row.external_id == "catalog://ours:greeter:0"


def test_a_password_left_empty_is_kept(browser_as: Any, at: Any, greeter: Template):
    client = browser_as("bob")
    launch(client, at, greeter, version="1", **{"answer.SECRET": "s3cret-w0rd"})
    row = Stack.all_objects.get(name="hi")
    path = at("stack-template", pk=row.pk)
    values = {"version": "1", "answer.GREETING": "ahoy", "answer.SECRET": ""}
    seen = client.post(path, {**values, "step": "preview"})
    client.post(path, {**values, "step": "apply", "previewed": seen.context["previewed"]})
    settle()
    row.refresh_from_db()
    assert (row.variables["SECRET"], row.variables["GREETING"]) == ("s3cret-w0rd", "ahoy")


def test_a_stack_of_no_template_is_upgraded_by_file(browser_as: Any, at: Any, shop: Stack):
    text = browser_as("bob").get(at("stack-template", pk=shop.pk)).content.decode()
    assert at("stack-upgrade", pk=shop.pk) in text


def test_a_stack_whose_catalog_is_gone_says_so(browser_as: Any, at: Any, greeter: Template, catalog: Catalog):
    client = browser_as("bob")
    launch(client, at, greeter)
    row = Stack.all_objects.get(name="hi")
    TemplateVersion.objects.filter(template=greeter, number=0).delete()
    assert "which no catalog here has any more" in client.get(at("stack", pk=row.pk)).content.decode()


def test_more_templates_take_no_more_queries(
    browser_as: Any, at: Any, catalog: Catalog, greeter: Template, repository: Repository, actor_of: Any
):
    from apps.catalog.services import catalog_act
    from tests.console.page_costs import queries

    client = browser_as("rita")
    before = [queries(client, path) for path in (at("catalog"), at("template", pk=greeter.pk))]
    for number in range(12):
        repository.write(template_files(f"templates/more{number}", f"More {number}", {0: "1", 1: "2"}))
    repository.commit(template_files("templates/greeter", "Greeter", {number: f"{number}.0" for number in range(9)}))
    catalog_act(catalog, "refresh", actor=actor_of("alice"))
    reconcile_until_idle()
    assert [queries(client, path) for path in (at("catalog"), at("template", pk=greeter.pk))] == before
