"""QR codes."""

from __future__ import annotations

import segno
from django.utils.safestring import SafeString, mark_safe


def qr_svg(text: str) -> SafeString:
    """A QR code as inline SVG; dark on light in every theme, because many cameras read nothing else."""
    code = segno.make(text, error="m", micro=False)
    return mark_safe(code.svg_inline(scale=5, border=3, dark="#111", light="#fff", omitsize=False))  # noqa: S308 - made from numbers only
