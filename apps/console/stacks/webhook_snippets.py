"""How a deploy webhook is called, ready to be copied into scripts and pipelines. Pure.

The secret is in none of them: each takes it from the variable CORRAL_WEBHOOK_SECRET.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from shlex import quote

from apps.stacks.webhooks.lifecycle import SCALE, UPGRADE
from apps.stacks.webhooks.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER

SECRET_VARIABLE = "CORRAL_WEBHOOK_SECRET"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True)
class WebhookSnippet:
    """One way to call it."""

    tool: str
    text: str


def webhook_snippets(url: str, task: str) -> list[WebhookSnippet]:
    """A call of the webhook with this task, in the words of several tools."""
    base = url.partition("/v1-webhooks/")[0]
    option = {UPGRADE: " --tag 1.4.2", SCALE: " --up"}.get(task, "")
    return [
        WebhookSnippet("corral", f"corral webhooks call {quote(url)}{option}"),
        WebhookSnippet("curl, openssl", _shell(url, json.dumps(_body(task, "1.4.2")))),
        WebhookSnippet("GitHub Actions", _github(base, url, task)),
        WebhookSnippet("GitLab CI", _gitlab(base, url, task)),
    ]


def _body(task: str, tag: str) -> dict[str, str]:
    return {UPGRADE: {"tag": tag}, SCALE: {"direction": "up"}}.get(task, {})


def _shell(url: str, body: str) -> str:
    return "\n".join(
        [
            f"BODY={quote(body)}",
            "TIME=$(date +%s)",
            'SIGNATURE=$(printf %s "$TIME.$BODY" |',
            f'  openssl dgst -sha256 -hmac "${SECRET_VARIABLE}" | sed "s/^.* //")',
            'curl -sS --fail-with-body --max-time 60 --data-binary "$BODY" -H "Content-Type: application/json" \\',
            f'  -H "{TIMESTAMP_HEADER}: $TIME" -H "{SIGNATURE_HEADER}: sha256=$SIGNATURE" {quote(url)}',
        ]
    )


def _corral(base: str, url: str, option: str) -> list[str]:
    """Two lines that need nothing but curl and Python."""
    return [
        f"curl -sSf --max-time 60 -o corral {quote(f'{base}/cli/corral')}",
        f"python3 corral webhooks call {quote(url)}{option}",
    ]


def _github(base: str, url: str, task: str) -> str:
    option = {UPGRADE: ' --tag "$TAG"', SCALE: " --up"}.get(task, "")
    lines = [
        "- name: Deploy",
        "  env:",
        f"    {SECRET_VARIABLE}: ${{{{ secrets.{SECRET_VARIABLE} }}}}",
        *(["    TAG: ${{ github.ref_name }}"] if task == UPGRADE else []),
        "  run: |",
        *(f"    {line}" for line in _corral(base, url, option)),
    ]
    return "\n".join(lines)


def _gitlab(base: str, url: str, task: str) -> str:
    option = {UPGRADE: ' --tag "$CI_COMMIT_TAG"', SCALE: " --up"}.get(task, "")
    rules = ["  rules:", "    - if: $CI_COMMIT_TAG"] if task == UPGRADE else []
    lines = [
        f"# {SECRET_VARIABLE} is a masked variable of the project",
        "deploy:",
        "  stage: deploy",
        *rules,
        "  script:",
        *(f"    - {line}" for line in _corral(base, url, option)),
    ]
    return "\n".join(lines)
