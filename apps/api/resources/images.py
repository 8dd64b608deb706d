"""`imagePull`: images being pulled or copied to hosts; and the removal of one name from a host."""

from __future__ import annotations

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Data,
    Resource,
)
from apps.api.wire.roles import TypeRoles
from apps.containers.models import Pull
from apps.containers.services import image_copy, image_remove, pull_cancel
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.hosts.models import Host


class RemoveImageInputResource(EmbeddedResource):
    """The image to remove from a host."""

    name = "removeImageInput"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "hosts": "c"})
    own_fields = parse_fields("image string c * 1..512")


class ImagePullResource(Resource):
    """One image on its way to one host; creating one has another host send the image."""

    name = "imagePull"
    model = Pull
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "hosts": "c"})
    own_fields = parse_fields("""
        name         string                 r   <name
        description  string                 r   <description
        image        string                 cr  <image * 1..512
        hostId       reference[host]        r   <host_id
        hostIds      array[reference[host]] c   *
        sourceHostId reference[host]        cr  <source_id *
        progress     int                    r
        ended        date                   r   <ended
    """)
    computed = {"progress": lambda context: (context.row.status or {}).get("percent")}

    def create(self, caller: ApiCaller, data: Data) -> list[Pull]:
        """Have `sourceHostId` send the image to each of `hostIds`, with one row for each."""
        source = _find_host(caller, data["sourceHostId"], "sourceHostId")
        targets = [_find_host(caller, text, "hostIds") for text in dict.fromkeys(data["hostIds"])]
        return image_copy(actor=caller.actor, source=source, image=data["image"], targets=targets)

    def act(self, caller: ApiCaller, row: Pull, action: str) -> None:
        """Stop it, or copy it again from the same host."""
        if action == "cancel":
            return pull_cancel(row, actor=caller.actor)
        if row.source is None:
            raise Invalid(
                "sourceHostId",
                "MissingRequired",
                "The image was pulled from a registry; deploy what needs it to pull it again.",
            )
        image_copy(actor=caller.actor, source=row.source, image=row.image, targets=[row.host])
        return None


def _find_host(caller: ApiCaller, text: str, field: str) -> Host:
    key = row_number(text) or 0
    found: Host | None = Host.objects.within(caller.environments()).filter(pk=key, removed=None).first()
    if found is None:
        raise Invalid(field, "InvalidReference", f"There is no host {text[:64]!r} here.")
    return found


def remove_image(caller: ApiCaller, row: Host, data: Data) -> None:
    """Remove an image from the host."""
    image_remove(actor=caller.actor, host=row, image=data["image"])
