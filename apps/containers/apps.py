"""Django's handle on `containers`: puts containers and pulls under the loop and listens to engines."""

from django.apps import AppConfig


class ContainersConfig(AppConfig):
    """Containers and pulls."""

    name = "apps.containers"
    label = "containers"

    def ready(self) -> None:
        """Register with the loop, the hosts' scans and events, and the emptying of environments and hosts."""
        from apps.containers import drain, fetch, reconcile, selectors, services, watch
        from apps.containers.models import Container, Pull
        from apps.control.reconcile import owned_by, register
        from apps.core.ports import ports
        from apps.hosts import drain as host_drain
        from apps.hosts import history, lost
        from apps.hosts import reconcile as hosts
        from apps.hosts import watch as host_watch

        register(Container, reconcile.settle)
        register(Pull, fetch.settle_pull, deadline=1800)
        owned_by("pull", reconcile.waiting_for)
        owned_by("host", reconcile.without_host)
        hosts.scanners.append(watch.scan)
        hosts.leavers.append(services.host_left)
        history.namers.append(selectors.running_on)
        lost.fences.append(watch.fence)
        host_drain.drainers.append(drain.standalone)
        host_watch.handlers.append(watch.handle)
        ports.emptiers.insert(0, services.environment_empty)
