"""Compose files that are wrong, unusual or hostile: refused with their line, or read all the same."""

from __future__ import annotations

import re
from contextlib import suppress
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.compose import ComposeService, parse


def one(body: str, rancher: str = "", **variables: str) -> ComposeService:
    """The service `web` with these keys beside its image."""
    text = "web:\n  image: nginx\n" + "".join(f"  {line}\n" for line in dedent(body).strip().splitlines())
    (service,) = parse(text, rancher, variables).services
    return service


def refusal(text: str, rancher: str = "", **variables: str) -> Invalid:
    with pytest.raises(Invalid) as found:
        parse(text, rancher, variables)
    return found.value


WRONG: list[tuple[str, int, str, str]] = [
    ("a: [", 1, "InvalidFormat", "expected"),
    ("- a\n", 1, "InvalidFormat", "map of services"),
    ("text", 1, "InvalidFormat", "map of services"),
    ("version: '2'\n", 1, "InvalidFormat", "map of services"),
    ("version: '2'\nservices: [a]\n", 2, "InvalidFormat", "map of services"),
    ("web:\n  image: a\n  image: b\n", 3, "InvalidFormat", "'image' is duplicated"),
    ("web:\n  image: a\nweb:\n  image: b\n", 3, "InvalidFormat", "'web' is duplicated"),
    ("web:\n  ? [a]\n  : b\n", 2, "InvalidFormat", "a key must be a text"),
    ("web: nginx\n", 1, "InvalidFormat", "must be a map"),
    ("web:\n  command: a\n", 1, "MissingRequired", "image"),
    ("my_app:\n  image: a\n", 1, "InvalidCharacters", "my_app"),
    (f"{'a' * 64}:\n  image: a\n", 1, "InvalidCharacters", "63"),
    ("-a:\n  image: a\n", 1, "InvalidCharacters", "-a"),
    ("web:\n  image: a\nWEB:\n  image: a\n", 3, "NotUnique", "same name"),
    ("web:\n  image: A\n", 2, "InvalidReference", "lower-case"),
    ("web:\n  image: rancher/load-balancer-service\n  command: x\n", 3, "InvalidOption", "command"),
    ("web:\n  build: .\n", 2, "InvalidOption", "push an image"),
    ("web:\n  image: a\n  build: {context: .}\n", 3, "InvalidOption", "push an image"),
    ("web:\n  image: a\n  extends: {file: /etc/passwd}\n", 3, "InvalidOption", "cannot read others"),
    ("web:\n  image: a\n  env_file: /etc/passwd\n", 3, "InvalidOption", "cannot read others"),
    ("include: [x]\nservices: {}\n", 1, "InvalidFormat", "cannot read others"),
    ("web:\n  image: a\n  volumes: ['./a:/b']\n", 3, "InvalidOption", "absolute"),
    ("web:\n  image: a\n  volumes: ['~:/b']\n", 3, "InvalidOption", "absolute"),
    ("web:\n  image: a\n  volumes: [{type: npipe}]\n", 3, "InvalidOption", "npipe"),
    ("web:\n  image: a\n  volumes: {a: b}\n", 3, "InvalidFormat", "list"),
    ("web:\n  image: a\n  network_mode: service:b\n", 3, "InvalidOption", "network"),
    ("web:\n  image: a\n  net: overlay\n", 3, "InvalidOption", "managed"),
    ("web:\n  image: a\n  ports: ['x']\n", 3, "PortWrongFormat", "ports"),
    ("web:\n  image: a\n  ports: ['8080:']\n", 3, "InvalidFormat", "missing"),
    ("web:\n  image: a\n  ports: ['80/icmp']\n", 3, "PortInvalidProtocol", "ports"),
    ("web:\n  image: a\n  ports: ['80-70']\n", 3, "InvalidFormat", "range"),
    ("web:\n  image: a\n  ports: ['1-9:1-3']\n", 3, "InvalidFormat", "same length"),
    ("web:\n  image: a\n  ports: ['5:1-3']\n", 3, "InvalidFormat", "same length"),
    ("web:\n  image: a\n  ports: ['1-65535']\n", 3, "InvalidFormat", "at most"),
    ('web:\n  image: a\n  command: "it\'s"\n', 3, "InvalidFormat", "quotation"),
    (f"web:\n  image: a\n  command: {'x' * 70_000}\n", 3, "InvalidFormat", "at most"),
    ("web:\n  image: a\n  mem_limit: lots\n", 3, "InvalidFormat", "512m"),
    ("web:\n  image: a\n  cpus: many\n", 3, "InvalidFormat", "0.5"),
    ("web:\n  image: a\n  cpus: Infinity\n", 3, "InvalidFormat", "0.5"),
    ("web:\n  image: a\n  stop_grace_period: soon\n", 3, "InvalidFormat", "30s"),
    ("web:\n  image: a\n  ulimits: 5\n", 3, "InvalidFormat", "map"),
    ("web:\n  image: a\n  scale: -1\n", 3, "MinLimitExceeded", "scale"),
    ("web:\n  image: a\n  restart: maybe\n", 3, "InvalidOption", "always"),
    *(
        (
            f"web:\n  image: a\n  restart: '{name}:3'\n",
            3,
            "InvalidOption",
            "maximumRetryCount is for `on-failure` alone",
        )
        for name in ("always", "unless-stopped", "no", "")
    ),
    *(
        (
            f"web:\n  image: a\n  deploy: {{restart_policy: {{{condition}max_attempts: 3}}}}\n",
            3,
            "InvalidOption",
            "`restart_policy.max_attempts` is for `condition: on-failure` alone",
        )
        for condition in ("", "condition: any, ", "condition: none, ", "condition: unless-stopped, ")
    ),
    ("web:\n  image: a\n  links: ['db']\n", 3, "InvalidReference", "db"),
    ("web:\n  image: a\n  links: ['web:']\n  depends_on: [db]\n", 4, "InvalidReference", "db"),
    ("web:\n  image: a\n  links: ['web:x', 'db:x']\ndb:\n  image: a\n", 3, "NotUnique", "'x'"),
    ("web:\n  image: a\n  links: ['db', 'web:db']\ndb:\n  image: a\n", 3, "NotUnique", "'db'"),
    ("web:\n  image: a\n  external_links: [' ']\n", 3, "InvalidFormat", "link"),
    ("web:\n  image: a\n  hostname: ${}\n", 3, "InvalidFormat", "variable"),
    ("web:\n  image: a\n  hostname: ${A b}\n", 3, "InvalidFormat", "variable"),
    ("web:\n  image: a\n  hostname: ${A\n", 3, "InvalidFormat", "$$"),
    ("web:\n  image: a\n  hostname: a$\n", 3, "InvalidFormat", "$$"),
    ("web:\n  image: a\n  hostname: ${A:?say it}\n", 3, "InvalidFormat", "say it"),
    ("web:\n  image: a\n  hostname: ${A?}\n", 3, "InvalidFormat", "A is required"),
    ("web:\n  image: a\n  hostname: !!timestamp 2020-01-01\n", 3, "InvalidFormat", "type date"),
    ("web:\n  image: a\n  hostname: !!python/name:os.system x\n", 3, "InvalidFormat", "could not determine"),
]


@pytest.mark.parametrize(("text", "line", "code", "words"), WRONG)
def test_what_is_wrong_is_refused_with_its_line(text: str, line: int, code: str, words: str) -> None:
    problem = refusal(text)
    assert (problem.field, problem.code, problem.status) == ("dockerCompose", code, 422)
    assert re.match(rf"line {line}(?:, column [1-9]\d*)?: ", problem.message)
    assert words in problem.message


@pytest.mark.parametrize(
    ("rancher", "line", "code"),
    [
        ("web: 3", 1, "InvalidFormat"),
        ("services: 3", 1, "InvalidFormat"),
        ("web:\n  scale: many", 2, "InvalidFormat"),
        ("web:\n  scale: 1\n  health_check: 80", 3, "InvalidFormat"),
        ("web:\n  health_check: {}", 2, "MissingRequired"),
        ("web:\n  metadata: x", 2, "InvalidFormat"),
        ("web:\n  start_on_create: perhaps", 2, "InvalidFormat"),
        ("web:\n  a: $", 2, "InvalidFormat"),
        ("web: [", 1, "InvalidFormat"),
    ],
)
def test_what_is_wrong_in_rancher_compose_is_refused_with_its_line(rancher: str, line: int, code: str) -> None:
    problem = refusal("web: {image: a}", rancher)
    assert (problem.field, problem.code) == ("rancherCompose", code)
    assert re.match(rf"line {line}(?:, column [1-9]\d*)?: ", problem.message)


VARIABLES = {"A": "a", "EMPTY": "", "B": "$A"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "a"),
        ("${A}-$A", "a-a"),
        ("$$A", "$A"),
        ("$$$A", "$a"),
        ("$B", "$A"),
        ("${NO:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${NO-x}", "x"),
        ("${NO:-}", ""),
        ("${NO:-${A}b}", "ab"),
        ("${NO:-${NO2:-${A}}}c", "ac"),
        ("${A:?needed}", "a"),
        ("${EMPTY?needed}", ""),
        ("${A:+x$A}", "xa"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${NO+x}", ""),
    ],
)
def test_variables_are_filled_in(text: str, value: str) -> None:
    stack = parse(f"web:\n  image: a\n  environment:\n    V: '{text}'\n", environment=VARIABLES)
    assert stack.services[0].config.environment == {"V": value}
    assert stack.warnings == ()


def test_a_missing_variable_is_empty_and_a_warning() -> None:
    stack = parse("web:\n  image: a$GONE\n  user: x${GONE}\n")
    assert stack.services[0].config.user == "x"
    assert stack.warnings == ("The variable GONE is not set; it is taken as empty.",)


def test_a_value_never_becomes_structure() -> None:
    service = one("command: ['$A']", A="a, b]\n  privileged: true")
    assert service.config.command == ("a, b]\n  privileged: true",)
    assert not service.config.privileged


def test_variables_too_deep_are_refused() -> None:
    text = "${A:-" * 30 + "x" + "}" * 30
    assert "too deep" in refusal(f"web: {{image: '{text}'}}").message


def test_variables_that_grow_too_large_are_refused() -> None:
    text = "web:\n  image: a\n  command: [" + ", ".join(["$A"] * 20) + "]\n"
    assert "1 MB" in refusal(text, A="x" * 60_000).message


def bomb(kind: str) -> str:
    lines = ["a0: &a0 " + ("{x: y}" if kind == "map" else "[x]")]
    for level in range(1, 9):
        inside = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} " + (f"{{<<: [{inside}]}}" if kind == "merge" else f"[{inside}]"))
    return "\n".join(lines).replace("[x]", "{x: y}" if kind == "merge" else "[x]")


@pytest.mark.parametrize("kind", ["list", "merge"])
def test_bombs_are_refused_while_small(kind: str) -> None:
    assert "large" in (message := refusal(bomb(kind)).message) or "merged" in message


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: " + "[" * 5000,
        "a: {b: " * 3000,
        "a: [" + "x," * 30_000 + "]",
        "a: [x" + ", y" * 2000 + "]\nb: &b {<<: *c}",
        "a: \x01",
        "a: !!int x",
        "a: !!float ''",
        "a: !!bool perhaps",
        "a: !!timestamp x",
        "a: !!set {b, c}",
        "a: !!binary '*'",
        "%YAML 9.9\n---\na: b",
        "a: b\n---\nc: d",
    ],
)
def test_invalid_yaml_is_refused(text: str) -> None:
    assert refusal(text).field == "dockerCompose"


def test_a_file_too_large_is_refused() -> None:
    assert refusal("#" * (1024 * 1024 + 1)).code == "MaxLengthExceeded"


def test_too_many_services_are_refused() -> None:
    assert refusal("\n".join(f"s{number}: {{image: a}}" for number in range(501))).code == "MaxLimitExceeded"


def test_aliases_and_merges_of_ordinary_files_work() -> None:
    text = """
        x-base: &base
          image: nginx
          environment: &env {A: b}
        services:
          one: {<<: *base, user: me}
          two: {<<: *base, image: other, environment: {<<: *env, C: d}}
        """
    first, second = parse(dedent(text)).services
    assert (first.config.image, first.config.user, first.config.environment) == ("nginx", "me", {"A": "b"})
    assert (second.config.image, second.config.environment) == ("other", {"A": "b", "C": "d"})


SCALARS = st.sampled_from(
    ["a", "1", "~", "yes", "/a:/b", "80:80", "$A", "'$$'", "1g", "!!int 5", "!!bool no", "''", "*x"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]")
        | st.dictionaries(
            st.sampled_from(["path", "type", "target", "a", "test", "size", "disable"]), inner, max_size=3
        ).map(lambda each: "{" + ", ".join(f"{name}: {value}" for name, value in each.items()) + "}")
    ),
    max_leaves=5,
)
WORDS = [
    *("command", "environment", "labels", "ports", "expose", "volumes", "tmpfs", "restart", "logging", "ulimits"),
    *("healthcheck", "blkio_config", "deploy", "extra_hosts", "links", "depends_on", "external_links", "scale", "cpus"),
    *("mem_limit", "tty", "log_opt", "sysctls", "dns", "stop_grace_period", "network_mode", "pull_policy", "image"),
]


@given(st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_file_is_worse_than_refused(keys: dict[str, str]) -> None:
    body = "".join(f"  {key}: {value}\n" for key, value in ({"image": "a"} | keys).items())
    with suppress(Invalid):
        parse(f"x: &x {{image: b}}\nweb:\n{body}", "", {"A": "1"})


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=40, deadline=None)
def test_no_text_is_worse_than_refused(docker: str, rancher: str) -> None:
    with suppress(Invalid):
        parse(docker, rancher)


@pytest.mark.parametrize(
    ("label", "text", "words"),
    [
        ("io.corral.schedule", "* *", "io.corral.schedule: '* *' has 2 parts"),
        ("io.corral.schedule.time_zone", "UTC", "io.corral.schedule.time_zone says nothing without io.corral.schedule"),
        ("io.corral.image_update", "x y", "io.corral.image_update: 'x y' is no policy"),
        ("io.corral.lost_host", "x y", "io.corral.lost_host: 'x y'"),
    ],
)
def test_a_label_that_cannot_be_followed_is_refused_with_its_service_and_line(label: str, text: str, words: str):
    found = refusal(f"a:\n  image: bb\n  labels: {{{label}: '{text}'}}\nb: {{image: bb}}\n")
    assert found.field == "dockerCompose"
    assert found.message.startswith(f"line 3: a: `labels`: {words}")


def test_an_unset_variable_that_spoils_an_image_is_named():
    found = refusal("web:\n  image: postgres:${TAG}\n")
    assert found.message.endswith("write it as [registry/]name[:tag]: the variable TAG is not set")


def test_a_wrong_restart_policy_lists_words_that_can_be_written():
    assert "must be one of: no, always" in refusal("web:\n  image: a\n  restart: sometimes\n").message


def test_an_address_that_is_none_is_refused_by_the_name_of_the_file():
    found = refusal("db: {image: rancher/external-service}", "db: {external_ips: [192.0.2.7], hostname: a.b}")
    assert "Give external_ips or a hostname" in found.message


def test_the_scale_of_an_image_that_stands_for_no_containers_is_a_warning():
    found = one("labels: {a: b}", "web: {scale: 3}")
    assert found.scale == 3
    (none,) = parse("web: {image: rancher/none}", "web: {scale: 3}").services
    assert (none.scale, none.warnings) == (
        1,
        ("web: `scale` is not used: its image rancher/none stands for no containers of its own.",),
    )


def test_a_sidekick_has_an_image_of_containers():
    text = "web: {image: a, labels: {io.rancher.sidekicks: log}}\nlog: {image: rancher/none}\n"
    assert "log: rancher/none stands for no containers" in refusal(text).message
