"""What travels compressed, what must not, and how long a browser keeps what was built."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory, override_settings

from portal.compression import SafeGZipMiddleware, StaticFilesMiddleware

pytestmark = pytest.mark.django_db  # closing an answer ends a request, which looks at the connections

LONG = "<tr><td>box</td></tr>" * 100


def answer(response: HttpResponseBase, method: str = "GET", **headers: str) -> Any:
    """The response as a browser that reads gzip receives it."""
    request: HttpRequest = RequestFactory().generic(method, "/", headers={"Accept-Encoding": "gzip, br", **headers})
    return SafeGZipMiddleware(lambda _request: response)(request)


def test_a_page_is_compressed_for_a_client_that_reads_gzip():
    got = answer(HttpResponse(LONG))
    assert got["Content-Encoding"] == "gzip"
    assert len(got.content) < len(LONG) / 10
    assert gzip.decompress(got.content).decode() == LONG
    assert "Accept-Encoding" in got["Vary"]


def test_two_answers_of_one_page_have_different_lengths():
    assert len({len(answer(HttpResponse(LONG)).content) for _ in range(30)}) > 1


@pytest.mark.parametrize(
    ("response", "method"),
    [
        (HttpResponse(LONG), "POST"),
        (HttpResponse(LONG, headers={"Cache-Control": "no-store"}), "GET"),
        (StreamingHttpResponse([LONG.encode()]), "GET"),
        (HttpResponse("short"), "GET"),
    ],
)
def test_forms_secrets_streams_and_trifles_are_left_alone(response: HttpResponseBase, method: str):
    assert "Content-Encoding" not in answer(response, method)


def test_a_program_with_a_key_gets_its_json_compressed():
    response = HttpResponse(LONG, headers={"Cache-Control": "no-store"})
    assert answer(response, Authorization="Basic eDp5")["Content-Encoding"] == "gzip"


def test_a_compressed_page_keeps_its_tag_as_a_weak_one():
    assert answer(HttpResponse(LONG, headers={"ETag": '"a"'}))["ETag"] == 'W/"a"'


def test_the_portal_compresses_its_pages():
    got = Client().get("/setup", headers={"Accept-Encoding": "gzip"})
    assert (got.status_code, got["Content-Encoding"]) == (200, "gzip")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A static folder with a hashed file, its compressed copy, and a file without a hash."""
    folder = tmp_path / "static"
    (folder / "dist").mkdir(parents=True)
    (folder / "dist" / "main-BoxIXYLU.js").write_text("x = 1;" * 100)
    (folder / "dist" / "main-BoxIXYLU.js.gz").write_bytes(gzip.compress(b"x = 1;" * 100))
    (folder / "dist" / "manifest.json").write_text("{}")
    return folder


def static_answer(folder: Path, path: str, encoding: str = "") -> tuple[Any, bytes]:
    """What the static files' middleware answers, and the body."""
    with override_settings(STATICFILES_DIRS=[folder], STATIC_ROOT=None):
        cached: Any = finders.get_finder
        cached.cache_clear()
        middleware = StaticFilesMiddleware(lambda _request: HttpResponse(status=404))
    cached.cache_clear()
    got: Any = middleware(RequestFactory().get(path, headers={"Accept-Encoding": encoding}))
    body = b"".join(got.streaming_content)
    got.close()
    return got, body


def test_a_file_with_a_hash_in_its_name_is_kept_for_a_year(built: Path):
    got, _body = static_answer(built, "/static/dist/main-BoxIXYLU.js")
    assert got["Cache-Control"] == "max-age=31536000, public, immutable"


def test_a_file_without_a_hash_is_not(built: Path):
    got, _body = static_answer(built, "/static/dist/manifest.json")
    assert "immutable" not in got["Cache-Control"]


def test_the_compressed_copy_is_served_in_the_files_place(built: Path):
    got, body = static_answer(built, "/static/dist/main-BoxIXYLU.js", "gzip")
    assert got["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == b"x = 1;" * 100
