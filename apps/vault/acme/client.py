"""Requests to an ACME server: signed, each with a nonce of the server's, limited in bytes and time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from apps.vault.acme.signing import load_key, public_jwk, sign, sign_binding

if TYPE_CHECKING:
    import requests

TIMEOUT_SECONDS = 5.0
STEP_SECONDS = 45.0  # all requests of one step: shorter than the lease of the row
BAD_NONCE_TRIES = 10  # servers refuse some nonces on purpose; a third of them was five in a row now and then
_JOSE = "application/jose+json"
_ERROR = "urn:ietf:params:acme:error:"


class AcmeError(Exception):
    """The server refused; `kind` is the last part of its error's type, `retry_after` seconds that it names."""

    def __init__(self, message: str, kind: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class AcmeAnswer:
    """An answer: its text, its JSON where it has any, and where what was created is."""

    text: str
    body: dict[str, Any]
    location: str = ""


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """An account at the authority's own, which its ACME accounts are bound to."""

    key_id: str
    secret: bytes


class AcmeClient:
    """One account at one server; made for one step and thrown away."""

    def __init__(self, directory_url: str, account_key: str, account_url: str = "", *, authority: str = "") -> None:
        self.account_url = account_url
        self.key = load_key(account_key)
        self._directory_url = directory_url
        self._authority = authority
        self._directory: dict[str, Any] = {}
        self._nonce = ""
        self._until = monotonic() + STEP_SECONDS

    def register(self, email: str, external: ExternalAccount | None = None) -> str:
        """Create the account, or find the one that the key has; its URL."""
        url = self._address("newAccount")
        payload: dict[str, Any] = {"termsOfServiceAgreed": True}
        if email:
            payload["contact"] = [f"mailto:{email}"]
        if external is not None:
            payload["externalAccountBinding"] = sign_binding(self.key, external.key_id, external.secret, url)
        elif self._wants_external_account:
            raise AcmeError(
                f"{self._directory_url} takes accounts that are bound to an external account of theirs only: set"
                " acme.eab.kid and acme.eab.hmac to what its page shows."
            )
        self.account_url = self.post(url, payload, with_key=True).location
        return self.account_url

    @property
    def _wants_external_account(self) -> bool:
        meta = self._directory.get("meta")
        return isinstance(meta, dict) and meta.get("externalAccountRequired") is True

    def new_order(self, names: Sequence[str]) -> AcmeAnswer:
        """Order a certificate for these names."""
        identifiers = [{"type": "dns", "value": name} for name in names]
        return self.post(self._address("newOrder"), {"identifiers": identifiers})

    def read(self, url: str) -> AcmeAnswer:
        """What is at a URL of the server's."""
        return self.post(url, None)

    def post(self, url: str, payload: Mapping[str, Any] | None, *, with_key: bool = False) -> AcmeAnswer:
        """Send one signed request, again with another nonce where that was refused. Raises `AcmeError`."""
        who: dict[str, Any] = {"jwk": public_jwk(self.key)} if with_key else {"kid": self.account_url}
        for left in reversed(range(BAD_NONCE_TRIES)):
            header = {**who, "nonce": self._take_nonce(), "url": url}
            response = self._send("POST", url, data=json.dumps(sign(self.key, header, payload)))
            self._nonce = response.headers.get("Replay-Nonce", "")
            if response.status_code < 400:
                return _answer(response)
            error = _error(response)
            if error.kind != "badNonce" or not left:
                raise error
        raise AssertionError("unreachable")

    def _address(self, name: str) -> str:
        if not self._directory:
            response = self._send("GET", self._directory_url)
            self._directory = _answer(response).body if response.status_code == 200 else {}
        found = self._directory.get(name)
        if not isinstance(found, str):
            raise AcmeError(f"{self._directory_url} is no ACME directory: it does not say where {name} is.")
        return found

    def _take_nonce(self) -> str:
        nonce, self._nonce = self._nonce, ""
        if not nonce:
            nonce = self._send("HEAD", self._address("newNonce")).headers.get("Replay-Nonce", "")
        if not nonce:
            raise AcmeError("The ACME server gives no nonce.")
        return nonce

    def _send(self, method: str, url: str, **options: Any) -> requests.Response:
        import requests

        from apps.accounts.providers.http import send_request

        if monotonic() > self._until:
            raise AcmeError("The ACME server takes too long to answer.")
        headers = {"Content-Type": _JOSE, "User-Agent": "corral"}
        with _authority_file(self._authority) as verify:
            try:
                return send_request(
                    method,
                    url,
                    timeout=TIMEOUT_SECONDS,
                    headers=headers,
                    verify=verify,
                    allow_redirects=method == "GET",
                    **options,
                )
            except requests.RequestException as error:
                raise AcmeError(f"The ACME server cannot be reached: {_reason(error)}") from error


@contextmanager
def _authority_file(authority: str) -> Iterator[str | bool]:
    """What the server's own certificate is checked with, as requests wants it: a file, or True for everybody's."""
    if not authority:
        yield True
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(authority)
        file.flush()
        yield file.name


def _reason(error: requests.RequestException) -> str:
    """The innermost reason: around it stand addresses of objects."""
    reason: BaseException = error
    while (inner := reason.__cause__ or reason.__context__) is not None:
        reason = inner
    return str(reason)[:300] or type(reason).__name__


def _answer(response: requests.Response) -> AcmeAnswer:
    try:
        body = response.json()
    except ValueError:
        body = {}
    return AcmeAnswer(response.text, body if isinstance(body, dict) else {}, response.headers.get("Location", ""))


def _error(response: requests.Response) -> AcmeError:
    problem = _answer(response).body
    after = response.headers.get("Retry-After", "")
    return AcmeError(
        describe_problem(problem) or f"The ACME server answers {response.status_code}.",
        str(problem.get("type", "")).removeprefix(_ERROR),
        float(after) if after.isascii() and after.isdigit() and len(after) < 8 else None,
    )


def describe_problem(problem: Any) -> str:
    """A problem of the server's in words, with what is wrong with each name."""
    if not isinstance(problem, Mapping):
        return ""
    parts = [str(problem.get("detail") or "")]
    found = problem.get("subproblems")
    parts += [describe_problem(each) for each in found[:5]] if isinstance(found, list) else []
    return " ".join(filter(None, parts))[:1000]
