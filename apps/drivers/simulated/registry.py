"""What a simulated engine can pull, and from whom."""

from __future__ import annotations

from collections.abc import Mapping

from apps.drivers.base import EngineError, EngineNotFound, EngineRefused
from simulated_engine.images import repository, tagged_name


class SimulatedRegistry(set[str]):
    """The images that can be pulled, by name and tag.

    Each image is there for every platform, but for those that `only_platform` has for one. `accounts` open those
    registries that ask who comes: user and password by the registry's address. Refusals are in the words of real
    engines.
    """

    def __init__(self) -> None:
        super().__init__()
        self.only_platform: dict[str, str] = {}
        self.accounts: dict[str, tuple[str, str]] = {}

    def require(self, image: str, auth: Mapping[str, str] | None) -> None:
        """Raise `EngineError` unless the image is there and the account may pull it."""
        address, key = image.partition("/")[0], tagged_name(image)
        if address in self.accounts and not auth:
            raise EngineError(f"Head https://{address}/v2/: no basic auth credentials")
        if address in self.accounts and not self._accepts(address, auth or {}):
            raise EngineError(f"Head https://{address}/v2/: unauthorized: authentication required")
        if key not in self:
            raise EngineNotFound(
                f"pull access denied for {repository(key)}, repository does not exist or may require "
                "'docker login': denied: requested access to the resource is denied"
            )

    def _accepts(self, address: str, auth: Mapping[str, str]) -> bool:
        return (auth.get("username"), auth.get("password")) == self.accounts[address]

    def log_in(self, auth: Mapping[str, str]) -> None:
        """Raise `EngineError` unless the registry `serveraddress` is there and accepts the account."""
        address = auth.get("serveraddress", "")
        if address not in self.accounts:
            raise EngineError(f'Get "https://{address}/v2/": dial tcp: lookup {address}: no such host')
        if not self._accepts(address, auth):
            raise EngineRefused(f"login attempt to https://{address}/v2/ failed with status: 401 Unauthorized")
