"""Asking for a certificate that an authority issues and the loop renews."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from apps.control.services import create
from apps.core.unique import unique_or
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.vault.acme.request import check_email, check_names, placeholder
from apps.vault.acme.signing import new_key
from apps.vault.certificate_facts import read_certificate
from apps.vault.models import Certificate
from apps.vault.services import NAME_ONCE, check_name, name_taken


def certificate_order(
    *,
    actor: Actor,
    environment: Environment,
    names: Sequence[str],
    name: str = "",
    email: str = "",
    description: str = "",
) -> Certificate:
    """A certificate for these host names, called like the first of them unless it has another `name`.

    It serves with one that signs itself until the authority has issued it. Raises `Invalid`, `Forbidden`.
    """
    hosts = check_names("names", names)
    wanted = {"names": hosts, "email": check_email("email", email)}
    checked = check_name(name.strip() or hosts[0], environment.pk)
    key = new_key()
    parsed = read_certificate("names", placeholder(hosts, key, timezone.now()))
    row = Certificate(
        environment=environment,
        name=checked,
        description=description,
        acme=wanted,
        key=key,
        is_placeholder=True,
        **parsed.columns(),
    )
    with unique_or(name_taken(checked), NAME_ONCE):
        create(row, actor=actor, request={"name": checked, "description": description, **wanted})
    return row
