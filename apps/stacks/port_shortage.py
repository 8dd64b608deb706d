"""Services whose containers would find no host, because something has a fixed port there that they publish."""

from __future__ import annotations

from apps.containers.launch.kind_labels import is_global
from apps.containers.launch.values import fixed_ports
from apps.containers.port_shortage import PortDemand, port_shortages
from apps.containers.services import build_container, requested_host
from apps.core.texts import labeled
from apps.environments.models import Environment
from apps.hosts.fleet import HostPort
from apps.stacks.balancer.launch import with_listeners
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.compose import ComposeStack
from apps.stacks.models import Service, Stack
from apps.stacks.service_options import BALANCER
from apps.stacks.stack_draft import StackDraft
from apps.stacks.stack_plan import ServiceState
from apps.stacks.unit_steps import build_sidekick


def service_port_shortage(row: Service, *, before: Service | None = None) -> str:
    """Why some containers of the service, as it is stored, find no host with their ports free; empty where all do.

    `before` is the service as it was: ports that it published then are its own. A global service says for each host
    why it has no container there.
    """
    demand = _demand(row, _ports_of(before) if before is not None else frozenset())
    return port_shortages(row.environment_id, {row.name: demand}).get(row.name, "") if demand is not None else ""


def stack_port_shortage(stack: Stack) -> str:
    """The same of all services of a stack, in one text that names them."""
    rows = Service.all_objects.filter(stack=stack, removed=None).select_related("stack", "environment")
    return " ".join(_in_words(stack.environment_id, {row.name: _demand(row) for row in rows}))


def compose_port_shortage(environment: Environment, parsed: ComposeStack) -> tuple[str, ...]:
    """What is short for the services of a compose file, before any is made: one sentence for each."""
    stack = Stack(environment=environment, name="new")
    states = [ServiceState.from_compose(each) for each in parsed.services]
    return _in_words(environment.pk, {each.name: _demand(_tried(stack, each)) for each in states if _may_publish(each)})


def draft_port_shortage(draft: StackDraft) -> tuple[str, ...]:
    """What is short for the services that the upgrade of a stack makes or changes: one sentence for each."""
    found = {}
    for step in draft.steps:
        state, row = step.change.after, step.row
        if state is None or row is None or not step.change.changes_anything or not _may_publish(state):
            continue
        tried = _tried(draft.stack, state)
        is_new = step.change.before is None
        tried.uuid = row.uuid  # its own containers' ports are free for it
        tried.scale = row.scale if state.scale is None else state.scale
        tried.desired = "active" if step.starts else row.desired
        keeps = not is_new and tried.scale <= row.scale
        found[state.name] = _demand(tried, _ports_of(row) if keeps else frozenset())
    return _in_words(draft.stack.environment_id, found)


def _in_words(environment_id: int, demands: dict[str, PortDemand | None]) -> tuple[str, ...]:
    wanted = {name: each for name, each in demands.items() if each is not None}
    return tuple(labeled(name, text) for name, text in sorted(port_shortages(environment_id, wanted).items()))


def _may_publish(state: ServiceState) -> bool:
    configs = (state.unit.primary, *(each.config for each in state.unit.sidekicks))
    return state.options.kind == BALANCER or any(fixed_ports(config.published) for config in configs)


def _tried(stack: Stack, state: ServiceState) -> Service:
    """The service as a row that is not saved, with what ports depend on."""
    config = state.unit.primary
    if state.options.kind == BALANCER:
        config = with_listeners(config, state.options.balancer or BalancerSettings())
    return Service(
        environment=stack.environment,
        stack=stack,
        name=state.name,
        scale=1 if state.scale is None else state.scale,
        spec=config.to_json(),
        image=config.image[:512],
        secondary=[each.to_json() for each in state.unit.sidekicks],
        schedule=dict(state.schedule),
        scale_policy=dict(state.scale_policy or {}),
        desired="active" if state.is_active else "inactive",
        **state.options.columns(),
    )


def _demand(row: Service, has_now: frozenset[HostPort] = frozenset()) -> PortDemand | None:
    """What the service needs of hosts; None of one that has no containers of a number, or none now."""
    if not row.has_containers or row.desired != "active" or row.schedule or row.scale_policy or is_global(row.config):
        return None
    primary = build_container(
        environment=row.environment,
        config=row.config,
        name=row.name,
        spread_key=str(row.uuid),
        requested_host=requested_host(row.config, row.environment_id),
    )
    return PortDemand(primary, row.scale, [build_sidekick(row, 0, "", each) for each in row.sidekicks], has_now)


def _ports_of(row: Service) -> frozenset[HostPort]:
    configs = [row.config, *(each.config for each in row.sidekicks)]
    return frozenset(port for config in configs for port in fixed_ports(config.published))
