"""The host policy: what containers may ask of their hosts, and the one check of everything sent to an engine."""

from apps.containers.policy.check import PolicyViolation, SharedResources, check
from apps.containers.policy.rules import (
    CLOSED,
    PERMISSIVE,
    RESTRICTED,
    Policy,
)

__all__ = ["CLOSED", "PERMISSIVE", "RESTRICTED", "Policy", "PolicyViolation", "SharedResources", "check"]
