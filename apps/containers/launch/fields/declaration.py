"""What the declaration of a launch field says, and how it is read off the class that declares it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Required, TypedDict, Unpack

from apps.containers.launch.engine_values import Inspected
from apps.core.fields import Check, WireObject, boolean, default_of, option, wire

ComposeKind = Literal[
    "same", "size", "switch", "pairs", "words", "ports", "cpus", "seconds", "microseconds", "own", "rancher"
]
ControlKind = Literal["text", "words", "list", "lines", "pairs", "number", "switch", "choice", "own"]
FormSection = Literal["basics", "command", "volumes", "network", "health", "limits", "labels"]
LAST_ROW = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKey:
    """A key of the engine's create body: in its HostConfig, or beside it.

    `write` turns the field's value into the engine's, `read` the engine's into v1's. A `ruled` key has a rule of the
    host policy under its name, any other opens nothing. An `assembled` one is written by `engine_body`, from more than
    this field. A key that is `network_own` is left out where another container's network is shared.
    """

    key: str
    in_host_config: bool = False
    ruled: bool = False
    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None
    assembled: bool = False
    network_own: bool = False


class EngineKeyOptions(TypedDict, total=False):
    """What may be said of an engine's key beside its name and place."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    assembled: bool
    network_own: bool


def process(key: str, **more: Unpack[EngineKeyOptions]) -> EngineKey:
    """A key beside the HostConfig: it is about the process, and opens nothing."""
    return EngineKey(key=key, **more)


def harmless(key: str, **more: Unpack[EngineKeyOptions]) -> EngineKey:
    """A key of the HostConfig that opens nothing: limits, names, ports."""
    return EngineKey(key=key, in_host_config=True, **more)


def ruled(key: str, **more: Unpack[EngineKeyOptions]) -> EngineKey:
    """A key of the HostConfig that the rule of its name in `policy.check` decides about."""
    return EngineKey(key=key, in_host_config=True, ruled=True, **more)


@dataclass(frozen=True, slots=True)
class ComposeKey:
    """A key of a compose service, and how its values are read and written.

    The kinds are converted by `stacks.compose.service_keys`; `own` keys have a reader, and if need be a writer, under
    their own name there. `rancher` ones stand in the rancher-compose file. A key that is not `written` is an older
    spelling.
    """

    key: str
    kind: ComposeKind = "same"
    written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FormControl:
    """How a field stands in the console's launch form.

    Texts for people are marked with `gettext_noop`. `name` is the form's, when it is not v1's. `row` and `column` order
    the controls of a section; the ones of a row stand beside each other. A `number` is typed in units of `factor`. An
    `area` has that many lines. A control that `opens` unfolds its section when it has a value. `drawn` False leaves the
    HTML to the page's own template; `own` ones are also read by the form itself. `parts` are pairs of a part of v1's
    object and the control that has it, where it is not this one.
    """

    section: FormSection
    kind: ControlKind
    label: str = ""
    name: str = ""
    hint: str = ""
    placeholder: str = ""
    options: tuple[str, ...] = ()
    empty_option: str = ""
    factor: float = 1
    area: int = 0
    is_code: bool = False
    row: int = LAST_ROW
    column: int = 0
    opens: bool = False
    drawn: bool = True
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchField:
    """One launch field: all that the parts of the portal derive from it.

    `type`, `options`, `default`, `nullable` and `bounds` are what the v1 schema says. `inspect` reads the field off a
    whole inspect answer, where one key is not enough. `kubernetes` and `swarm` say what the field becomes on a cluster,
    or `refused: why`.
    """

    name: str
    type: str
    attribute: str = ""
    default: Any = None
    options: tuple[str, ...] = ()
    nullable: bool = True
    bounds: tuple[int | None, int | None] = (None, None)
    engine: tuple[EngineKey, ...] = ()
    inspect: Callable[[Inspected], Any] | None = None
    compose: tuple[ComposeKey, ...] = ()
    form: FormControl | None = None
    kubernetes: str
    swarm: str


class LaunchFieldOptions(TypedDict, total=False):
    """What a declaration may say beyond name, type, check, engine and compose keys."""

    options: tuple[str, ...]
    nullable: bool
    bounds: tuple[int | None, int | None]
    inspect: Callable[[Inspected], Any]
    form: FormControl
    kubernetes: Required[str]
    swarm: Required[str]


def launch_field(
    name: str,
    v1_type: str,
    check: Check | None = None,
    default: Any = None,
    *,
    engine: EngineKey | tuple[EngineKey, ...] = (),
    compose: str | ComposeKey | tuple[ComposeKey, ...] = (),
    **more: Unpack[LaunchFieldOptions],
) -> Any:
    """Declare a dataclass field as a launch field: its v1 name, type and check, and everything of `LaunchField`.

    The check may be left out for booleans, and for enums with `options`. A text as `compose` is a key whose value is
    the same as v1's.
    """
    declared = LaunchField(
        name=name,
        type=v1_type,
        engine=(engine,) if isinstance(engine, EngineKey) else engine,
        compose=_compose_keys(compose),
        **more,
    )
    if check is None:
        check = boolean if v1_type == "boolean" else option(*declared.options)
    return wire(name, check, default, nullable=declared.nullable, extra={"launch": declared})


def _compose_keys(given: str | ComposeKey | tuple[ComposeKey, ...]) -> tuple[ComposeKey, ...]:
    if isinstance(given, str):
        return (ComposeKey(given),)
    return (given,) if isinstance(given, ComposeKey) else given


def launch_fields(kind: type[WireObject]) -> tuple[LaunchField, ...]:
    """The launch fields that a class declares, in the order of the v1 schema."""
    found = []
    for each in fields(kind):
        declared: LaunchField = each.metadata["launch"]
        control, default = declared.form, default_of(each)
        if control and not control.name:
            control = replace(control, name=declared.name)
        is_flag = isinstance(default, bool)  # v1 never has null for these, and shows their default
        found.append(
            replace(
                declared,
                attribute=each.name,
                default=default if is_flag or isinstance(default, str) else None,
                nullable=declared.nullable and not is_flag,
                form=control,
            )
        )
    return tuple(found)
