"""Django's configuration of `stacks`: registers stacks and services with the loop and the hosts."""

from django.apps import AppConfig

UPGRADE_DEADLINE = 24 * 3600.0  # a stack waits for all of its services, and these for every pause between batches


class StacksConfig(AppConfig):
    """Stacks and services."""

    name = "apps.stacks"
    label = "stacks"

    def ready(self) -> None:
        """Register the reconcilers, what requeues them, the workload, and what empties a removed environment."""
        from apps.control.kinds import register, requeue_owners
        from apps.core.hooks import hooks
        from apps.hosts.workloads import workloads
        from apps.stacks import drain, goal, handover_steps, members, reconcile, services, undo, upgrade_services
        from apps.stacks.models import Service, Stack
        from apps.stacks.workload import ServiceWorkload

        slow = {f"stack.{action}": UPGRADE_DEADLINE for action in ("upgrade", "rollback", "finishupgrade")}
        register(Stack, undo.after_undo_time(reconcile.reconcile_stack), operation_deadlines=slow)
        register(
            Service,
            undo.after_undo_time(reconcile.reconcile_service),
            operation_deadlines={"service.upgrade": upgrade_services.upgrade_deadline},
        )
        _keep_deleted()
        _name_images()
        _register_promotions()
        _register_webhooks()
        workloads.register(ServiceWorkload())
        _register_documents()
        requeue_owners("host", drain.services_of_returned_host)
        requeue_owners("host", goal.services_that_follow_hosts)
        requeue_owners("container", reconcile.services_to_requeue)
        requeue_owners("service", reconcile.stacks_to_requeue)
        requeue_owners("service", handover_steps.services_handing_over)
        requeue_owners("container", members.selecting_containers)
        requeue_owners("service", members.selecting_services)
        _register_balancers()
        _register_jobs()
        _register_refusals()
        hooks.on_environment_removed.insert(0, services.remove_environment_stacks)


def _register_refusals() -> None:
    """Have the one verdict function ask about locks, and about what services keep for a rollback."""
    from apps.core.hooks import hooks
    from apps.stacks.kept_containers import owner_refusal
    from apps.stacks.locks import lock_refusal

    hooks.lock_refusal = lock_refusal
    hooks.owner_refusal = owner_refusal


def _register_promotions() -> None:
    """Have the loop bring promotions on their way, and follow the stacks that they deploy."""
    from apps.control.kinds import register, requeue_owners
    from apps.stacks.promotions.models import Promotion
    from apps.stacks.promotions.reconcile import promotions_to_requeue, reconcile_promotion

    slow = {f"promotion.{action}": UPGRADE_DEADLINE for action in ("create", "approve", "undo")}
    register(Promotion, reconcile_promotion, operation_deadlines=slow)
    requeue_owners("stack", promotions_to_requeue)


def _register_webhooks() -> None:
    """Have the loop see deploy webhooks."""
    from apps.control.kinds import register
    from apps.stacks.webhooks.models import DeployWebhook
    from apps.stacks.webhooks.reconcile import reconcile_deploy_webhook

    register(DeployWebhook, reconcile_deploy_webhook)


def _register_jobs() -> None:
    """Have the clock judge upgrades, follow newer images, and forget old calls of deploy webhooks."""
    from apps.control.periodic import register_job
    from apps.stacks.updates.rounds import follow_images
    from apps.stacks.verdict.observer import judge_upgrades
    from apps.stacks.webhooks.retention import webhook_calls_delete_expired

    register_job("judge-upgrades", judge_upgrades)
    register_job("follow-images", follow_images)
    register_job("delete-webhook-calls", webhook_calls_delete_expired)


def _name_images() -> None:
    """Have images kept on hosts that services need."""
    from apps.core.hooks import hooks
    from apps.stacks.needed_images import images_of_services

    hooks.images_needed.append(images_of_services)


def _register_documents() -> None:
    """Have hosts get what containers are called, what they may ask, and whom they may reach."""
    from apps.hosts.documents.sources import register
    from apps.network.policies import policies
    from apps.stacks.metadata.source import MetadataSource
    from apps.stacks.names.source import NamesSource
    from apps.stacks.network_policy.source import ServicePolicySource

    register(MetadataSource())
    register(NamesSource())
    policies.register(ServicePolicySource())


def _register_balancers() -> None:
    """Have balancers follow what they lead to, what stops wait for them, and certificates say who shows them."""
    from apps.control.kinds import requeue_owners
    from apps.core.hooks import hooks
    from apps.stacks.balancer import draining
    from apps.stacks.balancer.certificates import balancers_with, holds_keys

    hooks.certificate_users.append(balancers_with)
    hooks.holds_keys = holds_keys
    hooks.reason_to_run = draining.reason_to_run
    requeue_owners("container", draining.balancers_to_requeue)
    requeue_owners("service", draining.balancers_of_target)
    requeue_owners("certificate", draining.balancers_of_certificate)


def _keep_deleted() -> None:
    """Have the rows of deleted stacks and services kept for as long as they can be restored."""
    from apps.control.kinds import keep_removed
    from apps.stacks.models import Service, Stack
    from apps.stacks.restore import SETTING

    for kind in (Stack.KIND, Service.KIND):
        keep_removed(kind, SETTING)
