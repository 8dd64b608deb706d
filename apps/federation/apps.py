"""Django's configuration of `federation`: registers trust rules with the loop, and the end of their keys."""

from django.apps import AppConfig


class FederationConfig(AppConfig):
    """Rules that let jobs of CI exchange their identity tokens for short keys."""

    name = "apps.federation"
    label = "federation"

    def ready(self) -> None:
        """Register the reconciler, the job that ends keys, and what empties a removed environment."""
        from apps.control.kinds import register
        from apps.control.periodic import register_job
        from apps.core.hooks import hooks
        from apps.federation.exchanged_keys import end_expired_keys
        from apps.federation.models import TrustRule
        from apps.federation.reconcile import reconcile_trust_rule
        from apps.federation.services import remove_environment_trust_rules

        register(TrustRule, reconcile_trust_rule)
        register_job("end-exchanged-keys", end_expired_keys)
        hooks.role_giving_rules.append(TrustRule)
        hooks.on_environment_removed.insert(0, remove_environment_trust_rules)
