"""Go's text/template as catalogs use it: the language, Sprig's common functions, and bounds on both; pure.

The semantics are those that text/template documents. What a template cannot do here: read anything but its values, know
the time, make random values, match regular expressions, or go on for ever.
"""

from __future__ import annotations

from apps.catalog.language.go_template.errors import TemplateError
from apps.catalog.language.go_template.interpreter import render

__all__ = ["TemplateError", "render"]
