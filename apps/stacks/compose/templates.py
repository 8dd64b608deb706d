"""Compose files that are templates of a catalog: conditions that have to be filled in before it is YAML. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from apps.stacks.compose.yaml_loader import error_at_line

# What Rancher gives to templates. Other words between double braces are for the container: Docker's own log tags,
# confd and consul-template are written so too.
_GIVEN = (".Values", ".Stack", ".Release")
TEMPLATE_ENDING = ".tpl"
REMEDY = (
    "fill it in first, and send the compose file that comes of it; plain variables such as ${NAME} are filled in here"
)


def require_no_template(text: str, field: str) -> None:
    """Refuse a template, naming the line of its first instruction: half of it would read as YAML. Raises `Invalid`."""
    if "{{" not in text:
        return
    for number, line in enumerate(text.split("\n"), 1):
        found = next((each for each in _instructions(line) if any(word in each for word in _GIVEN)), None)
        if found is not None:
            shown = found.strip()[:60]
            raise error_at_line(field, number, f"this is a catalog's template, with {{{{{shown}}}}}: {REMEDY}.")


def _instructions(line: str) -> Iterator[str]:
    """What stands between double braces."""
    for part in line.split("{{")[1:]:
        yield part.partition("}}")[0]
