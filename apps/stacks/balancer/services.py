"""What is checked and done when balancers are made, changed, upgraded and rolled back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.core.defaults import setting
from apps.core.errors import Invalid
from apps.stacks.balancer.certificates import check_certificates
from apps.stacks.balancer.launch import IMAGE_SETTING, check_image, check_mounts, with_listeners
from apps.stacks.balancer.listeners import check_listeners
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.models import Service
from apps.stacks.service_options import BALANCER, ServiceOptions
from apps.stacks.sidekicks import UnitConfig


def check_settings(environment_id: int | None, options: ServiceOptions) -> None:
    """Raise `Invalid` for settings of a balancer that do not go together, or certificates that are not there."""
    found = options.balancer
    if options.kind != BALANCER or found is None:
        return
    check_listeners(found.listeners, "launchConfig.ports")
    check_certificates(environment_id, found)
    encrypted = [each.port for each in found.listeners if each.is_encrypted]
    if encrypted and found.default_certificate is None:
        why = f"Port {encrypted[0]} is encrypted: choose the certificate that it shows (defaultCertificateId)."
        raise Invalid("defaultCertificateId", "MissingRequired", why)


def balancer_unit(unit: UnitConfig, options: ServiceOptions) -> UnitConfig:
    """What the deployment units of a new service are made from; other kinds as they were sent. Raises `Invalid`."""
    if options.kind != BALANCER:
        return unit
    if unit.sidekicks:
        raise Invalid("secondaryLaunchConfigs", "InvalidOption", "A balancer has no sidekicks; leave them out.")
    return UnitConfig(launchable(unit.primary, options.balancer or BalancerSettings()))


def launchable(config: LaunchConfig, settings: BalancerSettings, known: tuple[str, ...] = ()) -> LaunchConfig:
    """The configuration with the image of the installation's setting; `known` are images that it may name."""
    image = setting(IMAGE_SETTING)
    check_image(config, (image, *known))
    check_mounts(config)
    return with_listeners(config, settings, image)


def check_in_place(row: Service, options: ServiceOptions | None) -> None:
    """Raise `Invalid` where a change needs other containers: those publish the ports of its listeners."""
    if row.kind != BALANCER or options is None or options.balancer is None:
        return
    if needs_upgrade(row, options.balancer):
        why = "Other ports need new containers: upgrade the balancer."
        raise Invalid("launchConfig.ports", "InvalidOption", why)


def needs_upgrade(row: Service, settings: BalancerSettings) -> bool:
    """Whether containers of these settings differ from those of today."""
    return with_listeners(row.config, settings) != row.config


def next_balancer(row: Service, config: LaunchConfig, settings: BalancerSettings | None) -> LaunchConfig:
    """The launch configuration of the next revision. Raises `Invalid`."""
    if row.kind != BALANCER:
        return config
    wanted = settings or row.balancer_settings
    check_settings(row.environment_id, replace(row.options, balancer=wanted))
    return launchable(config, wanted, (row.config.image,))


def describe_balancer(settings: BalancerSettings) -> dict[str, Any]:
    """The settings for the audit log; custom text may hold passwords, and is only said to be there."""
    found = settings.to_json()
    return {**found, "custom": {name: bool(text) for name, text in found["custom"].items()}}
