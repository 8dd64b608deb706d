"""The files of a version with its answers: what the import of compose files gets, and what is said beside it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.catalog.language.duplicates import without_duplicates
from apps.catalog.language.rendered import LaunchFacts, RenderedFiles, render_files
from apps.catalog.language.sections import find_section, without_section
from apps.core.errors import Invalid
from apps.stacks.compose import ComposeStack, parse

FACTS = LaunchFacts("shop", version="2.0", previous_version="1.0")


def rendered(docker: str, rancher: str = "", *, ending: str = "", **answers: str) -> RenderedFiles:
    files = {f"docker-compose.yml{ending}": docker.encode()}
    if rancher:
        files["rancher-compose.yml"] = rancher.encode()
    return render_files(files, answers, FACTS)


def imported(found: RenderedFiles) -> ComposeStack:
    return parse(found.docker_compose, found.rancher_compose, found.variables, stack_name="shop")


def refusal(docker: str, **more: str) -> Invalid:
    with pytest.raises(Invalid) as problem:
        rendered(docker, **more)
    return problem.value


def test_variables_are_left_for_the_import_which_fills_them_in() -> None:
    found = rendered("web:\n  image: nginx:${tag}\n  environment: {A: '$$HOME'}\n", tag="1.27")
    assert found.docker_compose == "web:\n  image: nginx:${tag}\n  environment: {A: '$$HOME'}\n"
    (web,) = imported(found).services
    assert web.config.image == "nginx:1.27"
    assert web.config.environment == {"A": "$HOME"}


TEMPLATE = """\
version: '2'
services:
  web:
    image: nginx
    environment:
      MODE: {{ .Values.mode | quote }}
      PLACE: "{{ .Stack.Name }} {{ .Release.Version }} after {{ .Stack.PreviousVersion }}"
{{- if eq .Values.public "true" }}
    ports:
    - ${port}:80
{{- end }}
{{- range $i := until (atoi .Values.count) }}
  worker-{{ $i }}:
    image: nginx
{{- end }}
"""


def test_a_template_is_run_with_answers_and_facts() -> None:
    found = rendered(TEMPLATE, ending=".tpl", mode="fast", public="true", port="8080", count="2")
    services = {each.name: each for each in imported(found).services}
    assert list(services) == ["web", "worker-0", "worker-1"]
    assert services["web"].config.environment == {"MODE": "fast", "PLACE": "shop 2.0 after 1.0"}
    assert [str(each) for each in services["web"].config.ports] == ["8080:80/tcp"]
    assert found.warnings == ()


def test_a_plain_file_with_instructions_is_a_template_too() -> None:
    found = rendered(TEMPLATE, mode="", public="false", count="0")
    assert [each.name for each in imported(found).services] == ["web"]


@pytest.mark.parametrize("braces", ["{{.Name}}/{{.ID}}", "{{ range gets }}", "{{ not closed"])
def test_braces_that_are_for_the_container_stay(braces: str) -> None:
    text = f"web:\n  image: nginx\n  environment: {{TAG: '{braces}'}}\n"
    assert rendered(text).docker_compose == text


def test_a_file_that_forbids_templates_stays_as_it_is() -> None:
    text = "# notemplating\nweb:\n  image: nginx\n  command: 'a {{ .x }}'\n"
    assert rendered(text, ending=".tpl").docker_compose == text


@pytest.mark.parametrize("password", ["pa$word", "$x", "a$$b", "${HOME}", "$"])
def test_a_dollar_in_an_answer_is_no_variable(password: str) -> None:
    text = "web:\n  image: nginx\n  environment:\n    A: '{{ .Values.p }}'\n    B: ${p}\n"
    (web,) = imported(rendered(text, p=password)).services
    assert web.config.environment == {"A": password, "B": password}


def test_answers_that_are_missing_are_empty_and_said() -> None:
    found = rendered("web:\n  image: nginx{{ .Values.gone }}{{ .Release.Gone }}\n")
    assert found.docker_compose == "web:\n  image: nginx\n"
    assert found.warnings == (
        "docker-compose.yml: 2 values of the template are not among the answers, and left empty.",
    )


def test_the_template_comes_before_the_plain_file_beside_it() -> None:
    files = {
        "docker-compose.yml": b"web: {image: plain}\n",
        "docker-compose.yml.tpl": b"web: {image: template}\n",
        "rancher-compose.yaml": b"web: {scale: 3}\n",
    }
    found = render_files(files, {}, FACTS)
    assert "template" in found.docker_compose
    assert imported(found).services[0].scale == 3


def test_the_section_of_the_catalog_is_left_out_and_lines_stay_where_they_are() -> None:
    rancher = ".catalog:\n  name: a $5 shop\n  questions:\n  - variable: a\nweb:\n  scale: 2\n"
    found = rendered("web: {image: nginx}\n", rancher)
    assert found.rancher_compose == "\n\n\n\nweb:\n  scale: 2\n"
    assert imported(found).warnings == ()
    assert imported(found).services[0].scale == 2


@pytest.mark.parametrize(
    ("docker", "words"),
    [
        (
            "web:\n  image: {{ .Values.a | nope }}\n",
            "docker-compose.yml: line 2, column 25: the function nope is not known.",
        ),
        ("web:\n{{ if .Values.a }}\n", "docker-compose.yml: line 2, column 1: if is not closed with end."),
        ('{{ fail "choose a mode" }}{{ .Values.a }}', "choose a mode"),
    ],
)
def test_a_template_that_fails_is_refused_with_file_line_and_column(docker: str, words: str) -> None:
    problem = refusal(docker)
    assert (problem.field, problem.code) == ("dockerCompose", "InvalidFormat")
    assert words in problem.message


def test_an_error_of_the_second_file_is_on_its_own_field() -> None:
    problem = refusal("web: {image: nginx}\n", rancher="web: {scale: {{ .Values.a | nope }}}\n")
    assert problem.field == "rancherCompose"
    assert problem.message.startswith("rancher-compose.yml: line 1")


def test_files_that_are_missing_too_large_or_no_text_are_refused() -> None:
    for files, words in (
        ({"README.md": b""}, "no docker-compose.yml"),
        ({"docker-compose.yml": b"#" * (1024 * 1024 + 1)}, "larger than 1 MB"),
        ({"docker-compose.yml": b"web:\n  image: \xff\n"}, "line 2: this is not UTF-8"),
    ):
        with pytest.raises(Invalid, match=words):
            render_files(files, {}, FACTS)


def test_a_key_that_comes_again_is_left_out_with_a_word() -> None:
    text = "web:\n  image: nginx\n  labels:\n    a: 1\n    b: 2\n    a: 3\n  image: httpd\n"
    found = rendered(text)
    (web,) = imported(found).services
    assert (web.config.image, web.config.labels) == ("httpd", {"a": "3", "b": "2"})
    assert found.warnings == ("docker-compose.yml: line 2: the key 'image' comes again later; the later one counts.",)
    assert imported(found).warnings == ("docker-compose, line 6: the key 'a' is duplicated; this one counts.",)


def test_a_key_that_stands_three_times_and_one_inside_another_are_left_out_at_once() -> None:
    text = "a:\n  x: 1\n  x: 2\nb: 1\na: 3\na:\n  y: 1\n"
    found, warnings = without_duplicates(text)
    assert found == "\n\n\nb: 1\n\na:\n  y: 1\n"
    assert [each.partition(":")[0] for each in warnings] == ["line 1", "line 2", "line 5"]


def test_a_file_that_is_full_of_duplicates_is_left_to_the_import() -> None:
    text = "a: 1\n" * 300
    assert without_duplicates(text) == (text, ())


@pytest.mark.parametrize(
    "text",
    ["a: 1\nb: [\n", "web: {a: 1, a: 2}\n", "x:\n  - a: 1\n    a: 2\n", "\tx", "a: *unknown\n"],
)
def test_what_cannot_be_mended_stays_for_the_import_to_refuse(text: str) -> None:
    assert without_duplicates(text) == (text, ())


def test_a_name_of_a_volume_may_be_an_answer() -> None:
    text = (
        "version: '2'\nservices:\n  web:\n    image: nginx\n    volumes: ['${name}:/data']\n"
        "volumes:\n  ${name}:\n    driver: local\n"
    )
    found = rendered(text, name="files")
    assert "\n  files:\n" in found.docker_compose
    assert imported(found).warnings == ()
    assert "${name}:\n" in rendered(text, name="a: b").docker_compose


AGENT = "io.rancher.container.create_agent"
RULE = "io.rancher.scheduler.affinity:not_host_label"


@pytest.mark.parametrize("line", [f"{AGENT}: 'true'", f"- {AGENT}=true", f'"{AGENT}": true # why', f"- {RULE}=a=b"])
def test_a_label_that_cannot_be_followed_is_left_out_with_a_word(line: str) -> None:
    found = rendered(f"web:\n  image: nginx\n  labels:\n    {line}\n")
    (web,) = imported(found).services
    assert web.config.labels == {}
    (note,) = web.warnings
    assert note.startswith("web: the label io.rancher.")
    assert "is left out, as" in note


@pytest.mark.parametrize("line", [f"{AGENT}: 'false'", "io.rancher.scheduler.affinity:host_label: a=b", "x: 'true'"])
def test_other_labels_stay(line: str) -> None:
    found = rendered(f"web:\n  image: nginx\n  labels:\n    {line}\n")
    assert len(imported(found).services[0].config.labels) == 1
    assert found.warnings == ()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from([".catalog:", "catalog:", "  a: 1", "services:", "  .catalog:", "    b: 2", "# c", "", "x: 1"])
    )
)
def test_a_section_that_is_taken_out_is_not_found_again(lines: list[str]) -> None:
    text = "\n".join(lines)
    rest = without_section(text)
    assert find_section(rest) is None
    assert len(rest.splitlines()) == max(1, len(text.splitlines()))
