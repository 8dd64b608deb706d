"""Every regular expression of the tree costs what its input is long: twice the text, about twice the steps.

The steps are counted by an interpreter of the pattern, so the same tree always gives the same figures.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.containers.docker_api.calls import CALLS
from apps.containers.launch import engine_checks, values
from tests.linear.pattern_steps import Matcher, parse, worst_growth

ROOT = Path(__file__).resolve().parents[2]
TREES = ("apps", "portal", "agent", "cli", "simulated_engine", "health_checks", "celery_app")
METHODS = {"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
MAX_GROWTH = 2.5
_ANCHORED = "(matched where it is registered)"

NOT_WRITTEN_OUT = {
    "cli/corral_cli/dockerignore.py",  # of people's own file, read on their own machine
    "agent/corral_agent/engine_proxy/rules.py",  # its patterns are arguments of `_rule`, collected below
    "agent/corral_agent/simulated/api/server.py",  # the table `_ROUTES`, collected below
    "apps/console/components/user_agents.py",  # the table `_BROWSERS`, collected below
    "apps/containers/launch/values.py",  # put together of two parts, collected from the module
    "apps/containers/launch/engine_checks.py",  # the table `_VARIANTS`, likewise
    "apps/containers/docker_api/calls.py",  # likewise, one for each call
    "apps/stacks/verdict/error_pattern.py",  # people's own, of which `check_pattern` counts the ways to match
    "apps/core/fields.py",  # `text(pattern=...)`, collected where it is called
    "apps/core/defaults.py",  # so are those of settings
}


@dataclass(frozen=True)
class Used:
    """A pattern, and the widest way in which it is used."""

    place: str
    pattern: str | bytes
    method: str
    flags: int


def _constant(node: ast.expr) -> str | bytes | None:
    try:
        found = ast.literal_eval(node)
    except ValueError:
        return None
    return found if isinstance(found, str | bytes) else None


def _flags(call: ast.Call) -> int:
    words = [*call.args[1:], *(keyword.value for keyword in call.keywords if keyword.arg == "flags")]
    names = {node.attr for word in words for node in ast.walk(word) if isinstance(node, ast.Attribute)}
    return sum(int(getattr(re, name)) for name in names if name in {"IGNORECASE", "DOTALL", "MULTILINE", "ASCII"})


def _is_re(call: ast.Call, names: set[str]) -> bool:
    return (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "re"
        and call.func.attr in names
    )


def _methods_of_names(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """How each name is used anywhere: `_NAME.search(...)`."""
    used: dict[str, set[str]] = defaultdict(set)
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                owner = node.func.value
                name = (
                    owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
                )
                used[name].add(node.func.attr)
    return used


def _anchored_calls(tree: ast.Module) -> set[int]:
    """Patterns that PyYAML matches at the beginning of a scalar."""
    return {
        id(word)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_implicit_resolver"
        for word in node.args
    }


def _widest(methods: set[str]) -> str:
    """What is not known to be anchored is taken to be searched for."""
    if not methods or methods - {"match", "fullmatch"}:
        return "search" if not methods or "search" in methods else "sub"
    return "match" if "match" in methods else "fullmatch"


def collect() -> tuple[list[Used], set[str]]:
    """Every pattern that is written out, and the files with one that is not."""
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for name in TREES
        for path in sorted((ROOT / name).rglob("*.py"))
    }
    methods = _methods_of_names(trees) | {_ANCHORED: {"match"}}
    found: dict[Used, None] = {}
    open_ended: set[str] = set()
    for name, tree in trees.items():
        names = _names_of_patterns(tree)
        names |= dict.fromkeys(_anchored_calls(tree), _ANCHORED)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for used in _used_in(name, node, names, methods):
                    if used is None:
                        open_ended.add(name)
                    else:
                        found[used] = None
    return list(found), open_ended


def _names_of_patterns(tree: ast.Module) -> dict[int, str]:
    """The name that a compiled pattern is kept under, by the call's identity."""
    return {
        id(node.value): node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _used_in(place: str, call: ast.Call, names: dict[int, str], methods: dict[str, set[str]]) -> Iterator[Used | None]:
    where = f"{place}:{call.lineno}"
    if _is_re(call, METHODS | {"compile"}) and call.args:
        pattern = _constant(call.args[0])
        assert isinstance(call.func, ast.Attribute)
        attr = call.func.attr
        method = attr if attr != "compile" else _widest(methods.get(names.get(id(call), "?"), set()))
        yield None if pattern is None else Used(where, pattern, method, _flags(call))
    for keyword in call.keywords:
        if keyword.arg == "pattern" and (pattern := _constant(keyword.value)) is not None:
            yield Used(where, pattern, "fullmatch", 0)
    if isinstance(call.func, ast.Name) and call.func.id in {"re_path", "_rule"} and call.args:
        constants = [found for each in call.args if (found := _constant(each)) is not None]
        yield from (Used(where, each, "search" if call.func.id == "re_path" else "fullmatch", 0) for each in constants)


def _tables() -> Iterator[Used]:
    """Patterns that are put together, and those in tables of tuples: every text in them that looks like one."""
    yield Used("apps/containers/launch/values.py", values._REFERENCE.pattern, "fullmatch", values._REFERENCE.flags)
    for pattern, _words in engine_checks._VARIANTS.values():
        yield Used("apps/containers/launch/engine_checks.py", pattern, "fullmatch", 0)
    for call in CALLS:
        yield Used("apps/containers/docker_api/calls.py", call.pattern.pattern, "fullmatch", call.pattern.flags)
    for place in ("agent/corral_agent/simulated/api/server.py", "apps/console/components/user_agents.py"):
        for node in ast.walk(ast.parse((ROOT / place).read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and re.search(r"[*+?\]\\]", text) and len(text) < 200 and "\n" not in text:
                yield Used(f"{place}:{getattr(node, 'lineno', 0)}", text, "search", 0)


PATTERNS, OPEN_ENDED = collect()


def test_patterns_were_found_in_every_tree():
    assert {used.place.partition("/")[0] for used in PATTERNS} == {*TREES} - {"celery_app"}
    assert len(PATTERNS) > 60


def test_whoever_computes_a_pattern_is_known():
    assert set() == OPEN_ENDED - NOT_WRITTEN_OUT


@pytest.fixture
def deep_stack():
    """Groups that repeat are matched by recursion."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("used", [*PATTERNS, *_tables()], ids=lambda used: f"{used.place}-{used.method}")
@pytest.mark.usefixtures("deep_stack")
def test_twice_the_text_is_about_twice_the_work(used: Used):
    growth, text = worst_growth(used.pattern, used.method, used.flags)
    assert growth <= MAX_GROWTH, f"{used.place}: {used.pattern!r} as {used.method} grows {growth:.1f} times on {text}"


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s*([,=])\s*", "sub"),  # walked a row of blanks again from each of them
        (r"(a+)+b", "match"),
        (r"(?:a|a)*b", "match"),
        (r"\d+\.\d+", "search"),
        (r"(.*),(.*),(.*)!", "match"),
        (r"<!--.*?-->", "search"),
        (r"[a-z]+@", "findall"),
        (r"x[^\r]*chunked", "search"),
    ],
)
@pytest.mark.usefixtures("deep_stack")
def test_the_search_finds_what_is_not_linear(pattern: str, method: str):
    assert worst_growth(pattern, method)[0] > MAX_GROWTH


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"a+b", "aaab"), (r"(a|b)*c$", "ababc"), (r"[^x]+x", "yyyx"), (r"\bfoo\b", "foo"), (r"(?:a{2,3}){2}", "aaaaa")],
)
def test_the_interpreter_agrees_with_the_engine(pattern: str, text: str):
    for tried in (text, text[:-1], "", "q" + text):
        matcher = Matcher(parse(pattern), tried)
        ends: list[int] = []

        def note(at: int, ends: list[int] = ends) -> bool:
            ends.append(at)
            return True

        found = matcher._match(matcher._nodes, 0, note)
        real = re.match(pattern, tried)
        assert found is (real is not None)
        assert not real or ends[-1] == real.end()
