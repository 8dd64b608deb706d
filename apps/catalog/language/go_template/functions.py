"""Every function that a template may call, and those that it may not."""

from __future__ import annotations

from apps.catalog.language.go_template import lists_and_maps, numbers, standard, texts
from apps.catalog.language.go_template.registry import Registered

FUNCTIONS: dict[str, Registered] = {
    **texts.functions.entries,
    **numbers.functions.entries,
    **lists_and_maps.functions.entries,
    **standard.functions.entries,
}
"""Those of text/template come last: where Sprig has one of the same name, it takes the arguments of both."""

UNAVAILABLE = frozenset({
    "now", "date", "dateInZone", "dateModify", "htmlDate", "ago", "unixEpoch", "env", "expandenv", "getHostByName",
    "randAlpha", "randAlphaNum", "randAscii", "randNumeric", "randBytes", "randInt", "shuffle", "uuidv4",
    "genPrivateKey", "genCA", "genSelfSignedCert", "genSignedCert", "bcrypt", "htpasswd", "derivePassword",
    "encryptAES", "decryptAES",
})  # fmt: skip
"""Functions of Sprig whose result differs each time, or depends on the machine."""
