"""`imageBuild` (not in Rancher's v1): images built on hosts, from contexts that are sent or fetched with git."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Action, Data, Link, Resource
from apps.api.wire.roles import READ_ONLY, TypeRoles
from apps.builds.models import ImageBuild
from apps.builds.selectors import read_log
from apps.builds.services import GitSource, build_cancel, build_create, build_remove, build_send_context
from apps.core.errors import Invalid
from apps.core.ids import row_number, wire_id
from apps.hosts.models import Host

_MAX_OFFSET_DIGITS = 15


class ImageBuildLogResource(EmbeddedResource):
    """Some of what a build said, from an offset on; the next piece begins at `next`. `complete`: there is no more."""

    name = "imageBuildLog"
    roles = READ_ONLY
    own_fields = parse_fields("""
        complete boolean r
        next     int     r
        text     string  r
    """)


def _log(caller: ApiCaller, row: ImageBuild, query_params: QueryDict) -> Data:
    """The `call` of the link `log`: with `offset` what came after what was read already."""
    offset = query_params.get("offset", "0")
    if not (offset.isascii() and offset.isdigit() and len(offset) <= _MAX_OFFSET_DIGITS):
        raise Invalid("offset", "InvalidFormat", "offset is the number that the log gave as next, or 0.")
    has_ended = row.ended is not None  # looked at before the log: what comes between the two is read once more
    found = read_log(row, int(offset))
    return {
        "type": "imageBuildLog",
        "links": {"self": caller.url("imagebuilds", wire_id("ib", row.pk), "log")},
        "actions": {},
        "text": found.text,
        "next": found.following,
        "complete": has_ended and found.following == int(offset),
    }


def _send_context(caller: ApiCaller, row: ImageBuild, data: Data) -> None:
    build_send_context(row, data["file"], actor=caller.actor)


class ImageBuildResource(Resource):
    """A build of an image on a host.

    With a `gitUrl` it begins at once; without one it waits for its context, a tar archive that is the body of the
    action `sendcontext`.
    """

    name = "imageBuild"
    model = ImageBuild
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "images": "c"})
    own_fields = parse_fields("""
        name         string          r  <name
        description  string          r  <description
        branch       string          cr <branch 0..200
        buildArgs    map[string]     c
        argNames     array[string]   r
        commit       string          r  <commit
        contextSize  int             r  <context_size
        dockerfile   string          cr <dockerfile 0..512
        ended        date            r  <ended
        folder       string          cr <folder 0..512
        gitUrl       string          cr <url 0..1024
        hostId       reference[host] cr <host_id *
        imageId      string          r  <image_id
        imageName    string          cr <image * 1..512
        noCache      boolean         cr =false <no_cache
        pull         boolean         cr =false <pull
        secretValue  password        c
        target       string          cr <target 0..128
        username     string          cr <username 0..255
    """)
    computed = {"argNames": lambda context: sorted(context.row.arguments)}  # a value may be a token
    custom_actions = {"sendcontext": Action(_send_context, permission="images", takes_file=True)}
    links = {
        "account": Link("project", attribute="environment_id"),
        "host": Link("host", attribute="host_id"),
        "log": Link(call_with_query=_log),
    }

    def create(self, caller: ApiCaller, data: Data) -> ImageBuild:
        """Begin a build on the host."""
        host: Host | None = (
            Host.objects.within(caller.environments()).filter(pk=row_number(data["hostId"]) or 0, removed=None).first()
        )
        if host is None:
            raise Invalid("hostId", "InvalidReference", f"There is no host {data['hostId'][:64]!r} here.")
        return build_create(
            actor=caller.actor,
            host=host,
            image=data["imageName"],
            git=GitSource(
                url=data.get("gitUrl") or "",
                branch=data.get("branch") or "",
                folder=data.get("folder") or "",
                username=data.get("username") or "",
                secret=data.get("secretValue") or "",
            ),
            dockerfile=data.get("dockerfile") or "",
            target=data.get("target") or "",
            arguments=data.get("buildArgs") or {},
            no_cache=bool(data.get("noCache")),
            pull=bool(data.get("pull")),
        )

    def act(self, caller: ApiCaller, row: ImageBuild, action: str) -> None:
        """Stop or remove it."""
        (build_cancel if action == "cancel" else build_remove)(row, actor=caller.actor)

    def auditable(self, row: Any, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the base's signature
        """The arguments by their names only: their values may be secrets."""
        arguments = body.get("buildArgs")
        return {**body, "buildArgs": sorted(map(str, arguments))} if isinstance(arguments, dict) else dict(body)
