"""A page's form as a browser sends it: every field in its order, templates and unticked boxes left out."""

from __future__ import annotations

from html.parser import HTMLParser


class FormPage(HTMLParser):
    """The fields of the form with an id: `fields` are names and values, which tests change before they send them."""

    def __init__(self, text: str, form: str = "launch") -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self._form, self._is_inside, self._templates = form, False, 0
        self._area = self._select = ""
        self._options: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a field, unless it stands in a template."""
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = found.get("id") == self._form
        self._templates += tag == "template"
        if not self._is_inside or self._templates:
            return
        if tag == "input" and found.get("name") and "disabled" not in found:
            is_box = found.get("type") in {"checkbox", "radio"}
            if not is_box or "checked" in found:
                self.fields.append((found["name"], found.get("value", "on" if is_box else "")))
        elif tag == "textarea":
            self.fields.append((found["name"], ""))
            self._area = found["name"]
        elif tag == "select":
            self._select, self._options = found["name"], []
        elif tag == "option" and self._select and (not self._options or "selected" in found):
            self._options = [found.get("value", "")]

    def handle_endtag(self, tag: str) -> None:
        """Leave what was entered."""
        if tag == "form":
            self._is_inside = False
        elif tag == "template":
            self._templates -= 1
        elif tag == "textarea":
            self._area = ""
        elif tag == "select" and self._select and not self._templates:
            self.fields.append((self._select, "".join(self._options)))
            self._select = ""

    def handle_data(self, data: str) -> None:
        """What stands in a text area."""
        if self._area:
            name, value = self.fields[-1]
            self.fields[-1] = (name, value + data)

    def set(self, name: str, value: str, at: int = 0) -> None:
        """Type into a field; `at` tells those of one name apart."""
        places = [index for index, (each, _value) in enumerate(self.fields) if each == name]
        self.fields[places[at]] = (name, value)

    def values(self, name: str) -> list[str]:
        """What the fields of a name say."""
        return [value for each, value in self.fields if each == name]

    def add_row(self, prefix: str, **values: str) -> None:
        """One more row of fields, as the button adds it."""
        self.fields += [(f"{prefix}{name}", value) for name, value in values.items()]

    def take_row(self, prefix: str, at: int) -> None:
        """Remove the fields of one row."""
        for name in {each for each, _value in self.fields if each.startswith(prefix)}:
            places = [index for index, (each, _value) in enumerate(self.fields) if each == name]
            del self.fields[places[at]]

    def data(self) -> dict[str, list[str]]:
        """As the test client takes it."""
        found: dict[str, list[str]] = {}
        for name, value in self.fields:
            found.setdefault(name, []).append(value)
        return found
