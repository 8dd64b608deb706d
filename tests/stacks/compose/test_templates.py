"""Templates of catalogs that are no compose files yet: refused in words, and what only looks like one is not."""

from __future__ import annotations

import pytest

from apps.core.errors import Invalid
from apps.stacks.bundle.resolve import resolve_bundle
from apps.stacks.compose import parse

CONDITIONS = """version: '2'
services:
  web:
    image: bb
    {{- if eq .Values.TLS "true"}}
    ports: [443]
    {{- end}}
"""
INSIDE = "web: {image: bb, labels: {io.rancher.sidekicks: 'a{{- if .Values.more -}},b{{- end}}'}}\na: {image: bb}\n"
VALUE = "web: {image: 'bb:{{ .Values.tag }}'}\n"
OF_THE_STACK = "web: {image: bb, environment: {NAME: '{{.Stack.Name}}'}}\n"


@pytest.mark.parametrize(
    ("text", "line"), [(CONDITIONS, 5), (INSIDE, 1), (VALUE, 1), (OF_THE_STACK, 1), (VALUE.replace("}}", ""), 1)]
)
def test_a_template_is_refused_with_its_line_and_what_to_do(text: str, line: int) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)
    assert (refused.value.field, refused.value.code) == ("dockerCompose", "InvalidFormat")
    assert f"line {line}: this is a catalog's template" in refused.value.message
    assert "fill it in first" in refused.value.message


def test_what_is_for_the_container_or_the_engine_stays() -> None:
    text = (
        "web: {image: bb, log_driver: json-file, log_opt: {tag: '{{.Name}}/{{.ID}}'}, command: 'echo {{end}} .Values'}"
    )
    (service,) = parse(text).services
    assert service.config.log_config is not None
    assert service.config.log_config.config == {"tag": "{{.Name}}/{{.ID}}"}
    assert "{{end}}" in str(service.config.command)


def test_metadata_for_programs_with_templates_of_their_own_stays() -> None:
    rancher = "web:\n  metadata:\n    file: '{{range gets \"/self\"}}{{.Values.x}}{{end}}'\n"
    (service,) = parse("web: {image: bb}\n", rancher).services
    assert ".Values.x" in service.metadata["file"]


def test_a_bundle_with_a_template_alone_names_it() -> None:
    with pytest.raises(Invalid) as refused:
        resolve_bundle({"docker-compose.yml.tpl": CONDITIONS.encode()})
    assert refused.value.field == "bundle"
    assert "docker-compose.yml.tpl is a catalog's template" in refused.value.message
