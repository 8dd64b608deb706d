"""Pictures that are made on the spot."""

from __future__ import annotations

import segno
from django.utils.safestring import SafeString, mark_safe


def qr_svg(text: str) -> SafeString:
    """A QR code as SVG to put into a page; dark on light whatever the theme, or cameras would not read it."""
    code = segno.make(text, error="m", micro=False)
    return mark_safe(code.svg_inline(scale=5, border=3, dark="#111", light="#fff", omitsize=False))  # noqa: S308 - made from numbers only
