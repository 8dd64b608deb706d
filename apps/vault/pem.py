"""Reading PEM as people paste it: with words around it, Windows line ends, indentation or escaped line breaks; pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from apps.core.errors import Invalid

MAX_TEXT = 65_535  # characters, as v1 has it
LINE = 64

_MARK = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----")
# What mail programs, web pages and editors leave inside: no base64 has any of them.
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


@dataclass(frozen=True, slots=True)
class PemBlock:
    """One block: what it says it is (`CERTIFICATE`), its bytes, and whether a passphrase protects them."""

    label: str
    content: bytes
    is_encrypted: bool = False

    def to_pem(self) -> str:
        """The block as everybody writes it: 64 characters a line, one line break at the end."""
        text = base64.b64encode(self.content).decode()
        lines = (text[at : at + LINE] for at in range(0, len(text), LINE))
        return "\n".join((f"-----BEGIN {self.label}-----", *lines, f"-----END {self.label}-----", ""))


def read_blocks(field: str, text: str) -> list[PemBlock]:
    """The PEM blocks of a text, whatever stands between them. Raises `Invalid` where one is damaged."""
    if len(text) > MAX_TEXT:
        raise Invalid(field, "MaxLengthExceeded", f"{field} must not be longer than {MAX_TEXT} characters.")
    blocks: list[PemBlock] = []
    begin: re.Match[str] | None = None
    for mark in _MARK.finditer(text):
        if mark[1] == "BEGIN":
            if begin is not None:
                raise _unfinished(field, begin[2])
            begin = mark
        elif begin is None or begin[2] != mark[2]:
            raise Invalid(field, "InvalidFormat", f"{field}: `END {mark[2]}` has no BEGIN; paste the whole block.")
        else:
            blocks.append(_read_block(field, mark[2], text[begin.end() : mark.start()]))
            begin = None
    if begin is not None:
        raise _unfinished(field, begin[2])
    return blocks


def _unfinished(field: str, label: str) -> Invalid:
    return Invalid(
        field, "InvalidFormat", f"{field}: `BEGIN {label}` has no END; paste the whole block, with its last line."
    )


def _read_block(field: str, label: str, body: str) -> PemBlock:
    """One block's content; older private keys have headers before it, as mail has."""
    # In variables and JSON the line breaks are often two characters.
    lines = body.replace("\\r", "").replace("\\n", "\n").translate(_INVISIBLE).splitlines()
    headers = [line for line in lines if ":" in line]
    digits = "".join("".join(line.split()) for line in lines if ":" not in line)
    try:
        content = base64.b64decode(digits, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise Invalid(
            field,
            "InvalidFormat",
            f"{field}: what is inside `BEGIN {label}` is not base64; it was damaged on its way here. Paste it again.",
        )
    return PemBlock(label, content, label.startswith("ENCRYPTED") or any("ENCRYPTED" in line for line in headers))
