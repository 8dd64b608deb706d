"""Compression of answers and the caching of built files."""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware


class SafeGZipMiddleware(GZipMiddleware):
    """Compresses pages, fragments and JSON, but nothing whose length could give a secret away.

    The length of a compressed body tells whether chosen input repeats a secret beside it (BREACH). Left alone is
    therefore what a browser could be made to ask for again and again with its cookie and what shows a secret: that is
    marked `no-store`. A request with an Authorization header was made by a program, which no other site can steer.
    CSRF tokens have a new mask in every answer, and Django adds a random length to each.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress the answer to a GET if the client reads gzip."""
        shows_secret = "no-store" in response.get("Cache-Control", "") and "Authorization" not in request.headers
        # Streams are downloads and long polls: each piece would be a gzip block of its own, sent late.
        if request.method != "GET" or response.streaming or shows_secret:
            return response
        answer: HttpResponseBase = super().process_response(request, response)
        return answer


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Files of the build keep their hashed names for a year in a browser; the rest is asked for again each minute."""

    FOREVER: ClassVar[int] = 31_536_000  # the longest that RFC 9111's readers honour; a year
