"""Results as tables for people, and as JSON or YAML for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from corral_cli.row_template import RowTemplate, is_template
from corral_cli.terminal import UserTerminal, printable

FORMATS = ("table", "json", "yaml")
Row = Mapping[str, Any]

_GOOD = {"active", "running", "healthy", "started-once"}
_BAD = {"error", "unhealthy", "degraded", "disconnected", "reconnecting"}


def show_rows(terminal: UserTerminal, form: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Rows of the same columns; JSON and YAML are a list of objects, a template makes a line of each row."""
    if is_template(form):
        template = RowTemplate(form)
        for row in rows:
            terminal.print(template.render({name: row.get(name) for name in columns}))
        return
    if form != "table":
        show_data(terminal, form, [{name: row.get(name) for name in columns} for row in rows])
        return
    titles = [name.upper().replace("_", " ") for name in columns]
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    widths = [max(len(line[at]) for line in [titles, *cells]) for at in range(len(columns))]
    terminal.print(_line(titles, widths))
    for line in cells:
        padded = [text.ljust(width) for text, width in zip(line, widths)]
        terminal.print("  ".join(_colored(terminal, each) for each in padded).rstrip())


def show_data(terminal: UserTerminal, form: str, data: Any) -> None:
    """Any data: as YAML where a table is wanted, since it has no columns; a template makes a line of each element."""
    if is_template(form):
        template = RowTemplate(form)
        for each in data if isinstance(data, list) else [data]:
            terminal.print(template.render(each))
    elif form == "json":
        terminal.print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        terminal.print("\n".join(_yaml(data)))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(cells, widths)).rstrip()


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(printable, value)) or "-"
    return printable(value)


def _colored(terminal: UserTerminal, padded: str) -> str:
    word = padded.strip()
    color = "green" if word in _GOOD else "red" if word in _BAD else ""
    return terminal.color(padded, color) if color else padded


def _yaml(data: Any, indent: str = "") -> list[str]:
    """Lines of YAML: what is no simple word is written as JSON writes it, which is YAML, too."""
    if isinstance(data, Mapping) and data:
        return [
            line for name, value in data.items() for line in _yaml_entry(f"{indent}{_scalar(name)}:", value, indent)
        ]
    if isinstance(data, (list, tuple)) and data:
        lines: list[str] = []
        for value in data:
            inner = _yaml(value, indent + "  ")
            lines += [f"{indent}- {inner[0].lstrip()}", *inner[1:]]
        return lines
    return [f"{indent}{_scalar(data)}"]


def _yaml_entry(head: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, (Mapping, list, tuple)) and value:
        return [head, *_yaml(value, indent + "  ")]
    return [f"{head} {_scalar(value)}"]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and value.replace("-", "").replace("_", "").isalpha() and not _is_keyword(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_keyword(text: str) -> bool:
    return text.lower() in {"true", "false", "null", "yes", "no", "on", "off", "y", "n"} or text.startswith("-")
