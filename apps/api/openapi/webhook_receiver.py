"""The receiver of deploy webhooks, which is beside `/v1` and takes a signature in the place of a credential."""

from __future__ import annotations

from typing import Any

from apps.api.openapi.components import JsonSchema, reference_to
from apps.stacks.webhooks.call_body import DOWN, UP
from apps.stacks.webhooks.lifecycle import TASKS
from apps.stacks.webhooks.signature import MAX_SKEW, SIGNATURE_HEADER, TIMESTAMP_HEADER

TAG = "deployWebhook"
PATH = "/v1-webhooks/{uuid}"
ANSWER = "deployWebhookAnswer"
PORTAL = "https://portal.invalid"
"""Stands for the portal's own address in a document that is kept; the address is known from each request."""

_REFUSALS = {
    "400": "The request is malformed.",
    "401": "There is no such webhook, or the signature is not its secret's, or too old; which of them is not said.",
    "403": "Whoever made the webhook may not do this any more.",
    "405": "A call is a POST.",
    "409": "This very call was made before, or the service is not in a state for it.",
    "413": "The body is too large.",
    "422": "The webhook does not allow what the body asks for; `fieldName` says which field.",
    "429": "Too many calls; Retry-After says when to go on.",
    "503": "Something that the portal needs does not answer.",
}
_DESCRIPTION = (
    "Nobody logs in: the two headers prove that the body was written a moment ago by somebody with the webhook's "
    "secret. The URL is the webhook's field `url`."
)


def receiver_path() -> dict[str, Any]:
    """The path item, with the one server on which it is."""
    return {
        "servers": [{"url": PORTAL}],
        "parameters": [
            {
                "name": "uuid",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "description": "As in `url`.",
            }
        ],
        "post": {
            "operationId": "callDeployWebhook",
            "summary": "Call a deploy webhook",
            "description": _DESCRIPTION,
            "tags": [TAG],
            "security": [{}],
            "parameters": [
                _header(TIMESTAMP_HEADER, "^[0-9]{1,12}$", f"The Unix time in seconds, at most {MAX_SKEW} off."),
                _header(
                    SIGNATURE_HEADER,
                    "^sha256=[0-9a-f]{64}$",
                    "`sha256=` and the HMAC-SHA-256, by the secret, of the timestamp, a dot and the body as sent.",
                ),
            ],
            "requestBody": {"required": False, "content": {"application/json": {"schema": _body()}}},
            "responses": {
                "202": {
                    "description": "What was begun.",
                    "content": {"application/json": {"schema": reference_to(ANSWER)}},
                },
                **{status: _refusal(about) for status, about in _REFUSALS.items()},
            },
        },
    }


def _header(name: str, pattern: str, about: str) -> JsonSchema:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": True, "schema": schema, "description": about}


def _refusal(about: str) -> JsonSchema:
    return {"description": about, "content": {"application/json": {"schema": reference_to("error")}}}


def _body() -> JsonSchema:
    """By the webhook's task: a tag, a number of containers or a step, or nothing."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "tag": {"type": "string", "description": "Of a webhook that upgrades."},
            "scale": {"type": "integer", "description": "Of a webhook that scales; or else `direction`."},
            "direction": {"enum": [UP, DOWN]},
        },
    }


def answer_schema() -> JsonSchema:
    """What a call is answered with."""
    text: JsonSchema = {"type": "string"}
    properties: dict[str, JsonSchema] = {
        "type": {"const": ANSWER},
        **dict.fromkeys(("webhookId", "serviceId", "webhook", "service", "stack", "state", "image", "message"), text),
        "operationId": {"type": ["string", "null"]},
        "task": {"enum": list(TASKS)},
        "scale": {"type": "integer"},
        "revision": {"type": "integer"},
        "replacesUpgrade": {"type": "boolean"},
    }
    return {"type": "object", "required": sorted(properties), "properties": properties}
