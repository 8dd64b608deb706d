"""Django's handle on `containers`: puts containers and pulls under the loop and listens to engines."""

from django.apps import AppConfig


class ContainersConfig(AppConfig):
    """Containers and pulls."""

    name = "apps.containers"
    label = "containers"

    def ready(self) -> None:
        """Register with the loop, the hosts' scans and events, and the emptying of environments and hosts."""
        from apps.containers import (
            drain,
            pull_reconcile,
            reconcile,
            selectors,
            services,
            watch,
        )
        from apps.containers.models import Container, Pull
        from apps.control.kinds import register, requeue_owners
        from apps.core.hooks import hooks
        from apps.hosts import drain as host_drain
        from apps.hosts import lost
        from apps.hosts import reconcile as hosts
        from apps.hosts import watch as host_watch
        from apps.hosts.stats import history

        register(Container, reconcile.reconcile_container)
        register(Pull, pull_reconcile.reconcile_pull, deadline=1800)
        requeue_owners("pull", reconcile.containers_awaiting_pull)
        requeue_owners("host", reconcile.containers_awaiting_host)
        hosts.scanners.append(watch.scan_host)
        hosts.leavers.append(services.remove_host_containers)
        history.namers.append(selectors.container_ids_on)
        lost.fences.append(watch.fence_host)
        host_drain.drainers.append(drain.drain_standalone)
        host_watch.handlers.append(watch.handle_event)
        hooks.on_environment_removed.insert(0, services.remove_environment_containers)
