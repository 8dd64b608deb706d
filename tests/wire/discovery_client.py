"""A client that discovers types, methods, links and actions from one URL, as gdapi-python does."""

from __future__ import annotations

from typing import Any

from tests.wire.api_client import ApiClient, ApiResponse


class ApiRefused(Exception):
    """The API refused the request."""

    def __init__(self, answer: ApiResponse) -> None:
        super().__init__(str(answer.body))
        self.status = answer.status


class DiscoveredResource(dict[str, Any]):
    """A resource: fields by name, links and actions as methods."""

    def __init__(self, client: DiscoveryClient, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.client = client

    def get_link(self, link: str) -> Any:
        return self.client.request("GET", self["links"][link])

    def run_action(self, action: str, **body: Any) -> DiscoveredResource:
        found: DiscoveredResource = self.client.request("POST", self["actions"][action], body)
        return found

    def change(self, **body: Any) -> DiscoveredResource:
        found: DiscoveredResource = self.client.request("PUT", self["links"]["self"], body)
        return found

    def remove(self) -> DiscoveredResource:
        found: DiscoveredResource = self.client.request("DELETE", self["links"]["self"])
        return found

    def reload(self) -> DiscoveredResource:
        found: DiscoveredResource = self.client.request("GET", self["links"]["self"])
        return found


class DiscoveryClient:
    """Starts at one URL and learns the types from the schemas that its header X-API-Schemas names."""

    def __init__(self, api: ApiClient, url: str = "/v1") -> None:
        self.api = api
        start = api.get(url)
        schemas = start.headers["X-API-Schemas"]
        body = start.body if schemas.endswith(url) else api.get(schemas).body
        self.schemas = str(body["links"]["self"])
        self.types = {each["id"]: each for each in body["data"] if each["type"] == "schema"}

    def request(self, method: str, url: str, body: Any = None) -> Any:
        answer = self.api.call(method, url, body)
        if answer.status >= 400:
            raise ApiRefused(answer)
        if answer.body.get("type") == "collection":
            return [DiscoveredResource(self, each) for each in answer["data"]]
        return DiscoveredResource(self, answer.body)

    def _collection(self, kind: str, method: str) -> str:
        schema = self.types[kind]
        assert method in schema["collectionMethods"], f"{kind} has no {method}"
        url: str = schema["links"].get("collection") or schema["links"]["self"].replace(
            f"schemas/{kind}", schema["pluralName"].lower()
        )
        return url

    def create(self, kind: str, **body: Any) -> DiscoveredResource:
        found: DiscoveredResource = self.request("POST", self._collection(kind, "POST"), body)
        return found

    def by_id(self, kind: str, key: str) -> DiscoveredResource:
        assert "GET" in self.types[kind]["resourceMethods"], f"{kind} cannot be read by id"
        found: DiscoveredResource = self.request("GET", f"{self._collection(kind, 'GET')}/{key}")
        return found

    def all(self, kind: str, query: str = "") -> list[DiscoveredResource]:
        found: list[DiscoveredResource] = self.request("GET", self._collection(kind, "GET") + query)
        return found
