"""What containers may ask of their hosts: the rules, and the one check of everything that is sent to an engine."""

from apps.containers.policy.check import PolicyViolation, SharedResources, check
from apps.containers.policy.rules import (
    CLOSED,
    PERMISSIVE,
    RESTRICTED,
    Policy,
)

__all__ = ["CLOSED", "PERMISSIVE", "RESTRICTED", "Policy", "PolicyViolation", "SharedResources", "check"]
