"""A signed call of a deploy webhook; it needs neither a key nor a stored portal."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from corral_cli import VERSION
from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json, parse_answer, rejection
from corral_cli.terminal import printable
from corral_cli.transport import HttpAnswer, Transport

SECRET_VARIABLE = "CORRAL_WEBHOOK_SECRET"  # noqa: S105 - its name
RECEIVER = "/v1-webhooks/"
_MAX_SECRET = 4096


def read_secret(file: str, environ: Mapping[str, str], folder: str) -> str:
    """The secret, from a file or the environment: as an argument everybody on the machine could read it.

    Raises `CliError`.
    """
    if file:
        try:
            with Path(folder, file).open(encoding="utf-8") as opened:
                secret = opened.read(_MAX_SECRET + 1).strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise CliError(f"--secret-file {printable(file)}: {why}.", ExitCode.USAGE) from None
        if not secret or len(secret) > _MAX_SECRET:
            raise CliError(f"--secret-file {printable(file)}: it holds no secret of a webhook.", ExitCode.USAGE)
        return secret
    found = environ.get(SECRET_VARIABLE, "").strip()
    if not found:
        raise CliError(f"Put the webhook's secret into {SECRET_VARIABLE}, or say --secret-file.", ExitCode.USAGE)
    return found


def call_webhook(transport: Transport, url: str, secret: str, body: Json) -> Json:
    """Sign and send it; what the portal has begun. Raises `CliError`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or RECEIVER not in parts.path:
        text = "Say the URL of the webhook, such as https://corral.example.com/v1-webhooks/0b1c2d3e-..."
        raise CliError(text, ExitCode.USAGE)
    raw, timestamp = json.dumps(body).encode(), str(int(time.time()))
    signature = hmac.new(secret.encode(), timestamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"corral/{VERSION}",
        "X-Corral-Timestamp": timestamp,
        "X-Corral-Signature": f"sha256={signature}",
    }
    answer = transport.send("POST", url, headers, raw)
    found = parse_answer(answer)
    if answer.status != 202 or found is None:
        raise _refusal(answer, found or {})
    return found


def _refusal(answer: HttpAnswer, error: Json) -> CliError:
    said = printable(error.get("message") or "").strip()
    if answer.status == 429:
        wait = printable(answer.headers.get("retry-after", "a few"))
        return CliError(f"{said or 'Too many calls.'} Try again in {wait} seconds.", ExitCode.UNREACHABLE)
    if answer.status == 401 and said:
        return CliError(said, ExitCode.CREDENTIALS)
    if answer.status in {400, 403, 405, 409, 412, 413, 422} and said:
        return rejection(answer.status, error, said)
    if answer.status >= 500:
        return CliError(f"The portal is not ready ({answer.status}): {said or 'try again later'}", ExitCode.UNREACHABLE)
    return CliError(f"What answers at this URL is no portal ({answer.status}): check it.", ExitCode.UNREACHABLE)
