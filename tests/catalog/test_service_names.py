"""Services with underscores in their names: called otherwise, with everything that refers to them, and a word."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.catalog.language.rendered import LaunchFacts, RenderedFiles, render_files
from apps.catalog.language.service_names import with_dashes
from apps.core.errors import Invalid
from apps.stacks.compose import ComposeStack, parse


def rendered(docker: str, rancher: str = "") -> RenderedFiles:
    return render_files(
        {"docker-compose.yml": docker.encode(), "rancher-compose.yml": rancher.encode()}, {}, LaunchFacts("shop")
    )


def imported(docker: str, rancher: str = "") -> ComposeStack:
    found = rendered(docker, rancher)
    return parse(found.docker_compose, found.rancher_compose, found.variables, stack_name="shop")


FIRST_FORM = """\
my_db:
  image: postgres
  environment: {NAME: my_db}
my_web:
  image: nginx
  command: serve my_db
  links:
  - my_db
  - "my_db:database"
plain-one:
  image: nginx
  links: ['my_web:front']
"""


def test_names_and_links_follow_and_other_texts_stay() -> None:
    stack = imported(FIRST_FORM, "my_db:\n  scale: 2\nmy_web: {scale: 3}\n")
    assert [(each.name, each.scale) for each in stack.services] == [("my-db", 2), ("my-web", 3), ("plain-one", 1)]
    db, web, plain = stack.services
    assert db.config.environment == {"NAME": "my_db"}
    assert web.links == (("my-db", "my_db"), ("my-db", "database"))
    assert list(web.config.command) == ["serve", "my_db"]
    assert plain.links == (("my-web", "front"),)


def test_each_name_that_was_changed_is_said() -> None:
    warnings = rendered(FIRST_FORM).warnings
    assert [each.partition(",")[0] for each in warnings] == [
        "The service my_db is called my-db",
        "The service my_web is called my-web",
    ]


UNIT = """\
version: '2'
services:
  my_web:
    image: nginx
    labels:
      io.rancher.sidekicks: my_data, my_log
      other: my_data
    volumes_from: [my_data]
    depends_on:
      my_log: {condition: service_started}
  my_data:
    image: busybox
  my_log:
    image: busybox
    network_mode: 'container:my_web'
"""


@pytest.mark.parametrize("labels", ["map", "list"])
def test_a_unit_stays_one(labels: str) -> None:
    as_list = "      - io.rancher.sidekicks=my_data,my_log\n      - other=my_data\n"
    text = (
        UNIT
        if labels == "map"
        else UNIT.replace(UNIT[UNIT.index("      io.") : UNIT.index("    volumes_from")], as_list)
    )
    (web,) = imported(text).services
    assert web.name == "my-web"
    assert sorted(name for name, _config in web.sidekicks) == ["my-data", "my-log"]
    assert web.config.labels["other"] == "my_data"
    assert web.config.data_volumes_from_launch_configs == ("my-data",)


def test_the_target_of_a_balancer_follows() -> None:
    docker = (
        "version: '2'\nservices:\n  lb:\n    image: rancher/lb-service-haproxy\n    ports: ['80:80']\n"
        "  my_web: {image: nginx}\n"
    )
    rancher = (
        "version: '2'\nservices:\n  my_web: {scale: 2}\n  lb:\n    lb_config:\n      port_rules:\n"
        "      - {source_port: 80, target_port: 8080, service: my_web}\n"
    )
    balancer, web = imported(docker, rancher).services
    assert [target for target, _alias in balancer.links] == ["my-web"]
    assert (web.name, web.scale) == ("my-web", 2)


@pytest.mark.parametrize(
    "text",
    [
        "my_web: {image: nginx}\nmy-web: {image: nginx}\n",  # both would have one name
        "a_b-c: {image: nginx}\na-b_c: {image: nginx}\n",
        "_web: {image: nginx}\n",
        "my_: {image: nginx}\n",
    ],
)
def test_a_name_that_cannot_be_changed_is_refused_by_the_import(text: str) -> None:
    assert with_dashes(text, "") == (text, "", ())
    with pytest.raises(Invalid, match="name of a service"):
        imported(text)


@pytest.mark.parametrize(
    "text", ["", "a: [", "- a_b\n", "a_b\n", "services: 5\n", "version: '2'\nservices: [a_b]\n", "\t"]
)
def test_what_is_no_file_of_services_stays(text: str) -> None:
    assert with_dashes(text, text) == (text, text, ())


def test_a_volume_with_an_underscore_stays() -> None:
    text = "version: '2'\nservices:\n  web: {image: nginx, volumes: ['my_data:/x']}\nvolumes: {my_data: {}}\n"
    assert rendered(text).docker_compose == text


def test_what_an_alias_repeats_is_changed_once() -> None:
    text = "my_db: &x {image: nginx, links: &l [my_web]}\nmy_web: {image: nginx}\nthird: {image: nginx, links: *l}\n"
    assert [each.links for each in imported(text).services] == [(("my-web", "my_web"),), (), (("my-web", "my_web"),)]


def test_a_file_of_many_names_and_aliases_is_changed_in_no_time() -> None:
    many = "".join(f"a_{at}: {{image: a, depends_on: [a_1, a_2]}}\n" for at in range(1500))
    assert with_dashes(many, "")[0].count("'a-1'") == 1500
    labels = "'io.rancher.sidekicks=a_b'," * 1500
    aliases = f"a_b: &x {{labels: [{labels}]}}\n" + "".join(f"c{at}: *x\n" for at in range(40))
    assert with_dashes(aliases, "")[0].count("sidekicks=a-b") == 1500
    bomb = f"a_b: &x {{labels: [{labels}]}}\n" + "".join(f"c{at}: *x\n" for at in range(1500))
    assert with_dashes(bomb, "")[0] == bomb  # which is refused where it is read


NAMES = st.lists(st.sampled_from(["a_b", "a_b_c", "web", "x_1", "db-2"]), min_size=1, max_size=5, unique=True)


@settings(max_examples=60, deadline=None)
@given(NAMES, st.randoms(use_true_random=False))
def test_links_lead_to_the_same_services_as_before(names: list[str], random: object) -> None:
    links = {name: [other for other in names if random.random() < 0.5] for name in names}  # type: ignore[attr-defined]
    text = yaml.safe_dump({name: {"image": "a", "links": links[name]} for name in names})
    changed, _rancher, _warnings = with_dashes(text, "")
    found = yaml.safe_load(changed)
    assert set(found) == {name.replace("_", "-") for name in names}
    for name in names:
        targets = [link.partition(":")[0] for link in found[name.replace("_", "-")]["links"]]
        assert targets == [other.replace("_", "-") for other in links[name]]
