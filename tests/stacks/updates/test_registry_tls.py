"""Registries behind TLS: of everybody's authorities or of one's own, and never under another name."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from apps.stacks.updates.image_names import ImageTag
from apps.stacks.updates.reachable import RegistryEndpoint
from apps.stacks.updates.registry_client import RegistryClient
from tests.stacks.updates.tag_registry import TagRegistry, digest, handler_of
from tests.vault.issuing import root

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def behind_tls(tmp_path: Path) -> Iterator[TagRegistry]:
    """A registry at 127.0.0.1 with a certificate of the tests' authority for that address."""
    issued = root().issue("127.0.0.1")
    (tmp_path / "cert.pem").write_text(issued.cert)
    (tmp_path / "key.pem").write_text(issued.key_text)
    made = TagRegistry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(made))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join(30)


def endpoint(registry: TagRegistry, host: str = "127.0.0.1") -> RegistryEndpoint:
    return RegistryEndpoint("https", host, int(registry.address.partition(":")[2]), is_trusted=True)


def tag(registry: TagRegistry) -> ImageTag:
    return ImageTag(registry.address, "team/web", "1")


def test_an_authority_of_ones_own_certifies_a_registry(behind_tls: TagRegistry):
    behind_tls.push("team/web:1")
    answer = RegistryClient(endpoint(behind_tls), authority=root().cert).head(tag(behind_tls), NOW)
    assert (answer.kind, answer.digest) == ("found", digest("team/web:1"))


def test_without_that_authority_the_certificate_is_refused_in_words(behind_tls: TagRegistry):
    behind_tls.push("team/web:1")
    answer = RegistryClient(endpoint(behind_tls)).head(tag(behind_tls), NOW)
    assert answer.kind == "unreachable"
    assert "certificate" in answer.reason
    assert behind_tls.requests == []


def test_a_certificate_for_another_name_is_refused(behind_tls: TagRegistry):
    behind_tls.push("team/web:1")
    answer = RegistryClient(endpoint(behind_tls, "localhost"), authority=root().cert).head(tag(behind_tls), NOW)
    assert answer.kind == "unreachable"
    assert behind_tls.requests == []


def test_an_authority_that_is_no_certificate_is_said_so(behind_tls: TagRegistry):
    answer = RegistryClient(endpoint(behind_tls), authority="not a certificate").head(tag(behind_tls), NOW)
    assert answer.kind == "unreachable"
    assert answer.reason.endswith(".")
