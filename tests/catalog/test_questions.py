"""What versions of templates say of themselves and ask: every way of writing it, and every way of getting it wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.catalog.language.questions import (
    MAX_DEFAULT,
    MAX_QUESTIONS,
    TYPES,
    TemplateQuestion,
    VersionInfo,
    read_version,
)


def read(text: str, name: str = "rancher-compose.yml") -> VersionInfo:
    return read_version({name: text.encode()})


def ask(body: str) -> TemplateQuestion:
    """The one question whose lines are given, with `variable: NAME`."""
    lines = "".join(f"      {line}\n" for line in body.splitlines())
    info = read(f".catalog:\n  questions:\n    - variable: NAME\n{lines}")
    assert not info.faults
    return info.questions[0]


def faults_of(body: str) -> str:
    lines = "".join(f"      {line}\n" for line in body.splitlines())
    return "\n".join(read(f".catalog:\n  questions:\n    - variable: NAME\n{lines}").faults)


FIRST_FORM = """\
.catalog:
  name: "Shop"
  version: 1.10
  description: |
    Sells things,
    and counts them.
  uuid: shop-0
  minimum_rancher_version: v1.1.0
  maximum_rancher_version: v1.6.99
  upgrade_from: ">=1.0"
  questions:
    - variable: port
      label: Port
      type: int
      default: 8080
      required: true
      min: 1
      max: 65535
    - variable: mode
      type: enum
      options: [fast, slow, 0x1]
      default: fast

# a comment at the margin ends nothing
    - variable: note
      type: multiline
      default: |
        one
        two
web:
  scale: 2
  health_check: {port: 80}
"""


def test_the_first_form_is_read_whole() -> None:
    info = read(FIRST_FORM)
    assert info.faults == ()
    assert (info.name, info.version, info.uuid) == ("Shop", "1.10", "shop-0")
    assert info.description == "Sells things,\nand counts them."
    assert (info.minimum_rancher_version, info.maximum_rancher_version) == ("v1.1.0", "v1.6.99")
    assert info.upgrade_from == ">=1.0"
    port, mode, note = info.questions
    assert port == TemplateQuestion("port", "Port", "int", required=True, default="8080", min=1, max=65535)
    assert mode.options == ("fast", "slow", "0x1")
    assert mode.label == "mode"
    assert note.default == "one\ntwo\n"


@pytest.mark.parametrize(
    "text",
    [
        "version: '2'\ncatalog:\n  name: Shop\n  questions: [{variable: a}]\nservices:\n  web: {scale: 1}\n",
        "version: '2'\nservices:\n  .catalog:\n    name: Shop\n    questions: [{variable: a}]\n  web: {scale: 1}\n",
        "'.catalog':\n  name: Shop\n  questions:\n  - variable: a\n",
        '"catalog":\n  name: Shop\n  questions:\n  - variable: a\n',
        "web:\n  scale: {{ .V }}\n{{- if .V }}\n{{- end }}\n.catalog:\n  name: Shop\n  questions: [{variable: a}]\n",
        ".catalog: {name: Shop, questions: [{variable: a}]}\nweb: {}\n",
        "\ufeff.catalog:\n  name: Shop\n  questions: [{variable: a}]\n",
    ],
)
def test_the_section_is_found_wherever_it_may_stand(text: str) -> None:
    info = read(text)
    assert (info.name, [each.variable for each in info.questions]) == ("Shop", ["a"])
    assert info.faults == ()


def test_a_service_that_is_called_catalog_is_not_the_section() -> None:
    assert read("version: '2'\nservices:\n  web: {image: a}\nvolumes:\n  catalog: {name: x}\n") == VersionInfo()


def test_the_files_are_asked_in_their_order() -> None:
    first = b".catalog: {name: first}\n"
    files = {"docker-compose.yml": b".catalog: {name: last}\n", "rancher-compose.yml": first, "README.md": b"x"}
    assert read_version(files).name == "first"
    assert read_version({**files, "rancher-compose.yml": b"web: {scale: 1}\n"}).name == "last"
    assert read_version({"template-version.yml": first, "docker-compose.yml": b""}).name == "first"
    assert (
        read_version({"rancher-compose.yml.tpl": b".catalog: {name: t}\n", "rancher-compose.yml": first}).name
        == "first"
    )
    assert read_version({}) == VersionInfo()


def test_a_file_that_cannot_be_read_is_a_fault_and_the_next_one_counts() -> None:
    files = {"rancher-compose.yml": b".catalog:\n  name: [\n", "docker-compose.yml": b".catalog: {name: other}\n"}
    info = read_version(files)
    assert info.name == "other"
    assert len(info.faults) == 1
    assert info.faults[0].startswith("rancher-compose.yml: line ")


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_is_known_by_its_name(kind: str) -> None:
    assert ask(f"type: {kind}\noptions: [a]").type == kind


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("bool", "boolean"),
        ("integer", "int"),
        ("TEXT", "multiline"),
        ("number", "float"),
        ("secret", "password"),
        ("", "string"),
    ],
)
def test_other_names_of_types_are_known_as_well(written: str, kind: str) -> None:
    assert ask(f"type: '{written}'").type == kind


@pytest.mark.parametrize(("written", "required"), [("true", True), ("'yes'", True), ("false", False), ("''", False)])
def test_required_is_read_as_people_write_it(written: str, *, required: bool) -> None:
    assert ask(f"required: {written}").required is required


@pytest.mark.parametrize(
    ("written", "default"),
    [
        ("0644", "0644"),
        ("yes", "yes"),
        ("true", "true"),
        ("1.50", "1.50"),
        ("12:30", "12:30"),
        ("", ""),
        ("' a '", "a"),
    ],
)
def test_a_default_keeps_what_is_written(written: str, default: str) -> None:
    assert ask(f"default: {written}").default == default


def test_conditions_are_read_as_text_and_as_a_map() -> None:
    assert ask("show_if: mode=fast&&tls='true'").show_if == {"mode": "fast", "tls": "true"}
    assert ask("show_if: {mode: fast}").show_if == {"mode": "fast"}
    assert ask("label: x").show_if == {}


def test_a_length_of_generated_passwords_counts_for_passwords_only() -> None:
    assert ask("type: password\ngenerate: 24").generate == 24
    assert ask("type: password\ngenerate: 9999").generate == 128
    assert ask("type: string\ngenerate: 24").generate == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("type: colour", "'colour' is not known; it is asked as a string"),
        ("type: enum", "needs `options`"),
        ("options: a", "`options` must be a list"),
        ("min: few", "`min` must be a number"),
        ("max_length: 1e9", "`max_length` must be a number"),
        ("show_if: mode", "`show_if` is written name=value"),
        (f"default: {'x' * (MAX_DEFAULT + 1)}", "larger than 64 KB"),
        (f"options: [{','.join(['a'] * 301)}]", "first 300 options"),
    ],
)
def test_what_is_wrong_with_a_question_is_said_with_its_variable(body: str, words: str) -> None:
    found = faults_of(body)
    assert words in found
    assert "question 1 (NAME)" in found
    assert found.startswith("rancher-compose.yml: ")


def test_a_question_of_an_unknown_type_is_asked_as_a_string() -> None:
    info = read(".catalog: {questions: [{variable: a, type: colour}]}\n")
    assert info.questions[0].type == "string"


@pytest.mark.parametrize(
    "question", ["{label: x}", "{variable: 'a b'}", "text", "[a]", "{variable: {a: b}}", "{variable: 1a}"]
)
def test_a_question_without_a_usable_variable_is_left_out_and_the_rest_is_asked(question: str) -> None:
    info = read(f".catalog: {{questions: [{question}, {{variable: b}}]}}\n")
    assert [each.variable for each in info.questions] == ["b"]
    assert "question 1 has no `variable`" in info.faults[0]


def test_of_two_questions_for_a_variable_the_last_one_counts() -> None:
    info = read(".catalog: {questions: [{variable: a, default: 1}, {variable: a, default: 2}]}\n")
    assert [each.default for each in info.questions] == ["2"]
    assert "asked twice" in info.faults[0]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("questions: {a: b}", "must be a list"),
        (f"questions: [{','.join(['{variable: a}'] * 301)}]", "only the first 300"),
    ],
)
def test_questions_are_a_list_of_bounded_length(section: str, words: str) -> None:
    info = read(f".catalog: {{{section}}}\n")
    assert words in info.faults[0]
    assert len(info.questions) <= MAX_QUESTIONS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b".catalog: [a]\n", "must be a map"),
        (b".catalog: text\n", "must be a map"),
        (b".catalog:\n  a: &x [*x, *x]\n", "stands for what it is in"),
        (b".catalog:\n  b: {? [c] : d}\n", "key"),
        (b".catalog:\n  name: !!python/object:os.system x\n", "line"),
        (b".catalog: {a: " + b"[" * 100 + b"]" * 100 + b"}\n", "too deep"),
        (b"x" * (1024 * 1024 + 1), "larger than 1 MB"),
    ],
)
def test_a_section_that_is_nonsense_is_a_fault(content: bytes, words: str) -> None:
    info = read_version({"rancher-compose.yml": content})
    assert info.questions == ()
    assert words in info.faults[0]


def test_an_empty_section_is_a_version_without_questions() -> None:
    assert read(".catalog:\nweb: {}\n") == VersionInfo()


def test_texts_are_cut_and_values_of_other_kinds_are_left_out() -> None:
    info = read(f".catalog: {{name: {'x' * 999}, version: [1], description: {{a: b}}}}\n")
    assert (len(info.name), info.version, info.description) == (255, "", "")


@settings(max_examples=120, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["rancher-compose.yml", "docker-compose.yml.tpl", "x"]), st.binary(max_size=200))
)
def test_any_bytes_are_read_without_an_error(files: dict[str, bytes]) -> None:
    read_version({name: b".catalog:\n" + content for name, content in files.items()})
