"""A client that knows nothing but the URL: it finds types, methods, links and actions as gdapi-python does."""

from __future__ import annotations

from typing import Any

from tests.wire.callers import Answer, Api


class Refused(Exception):
    """The API said no."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.body))
        self.status = answer.status


class Thing(dict[str, Any]):
    """A resource: fields by name, links and actions as methods."""

    def __init__(self, client: Discoverer, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.client = client

    def follow(self, link: str) -> Any:
        return self.client.ask("GET", self["links"][link])

    def do(self, action: str, **body: Any) -> Thing:
        thing: Thing = self.client.ask("POST", self["actions"][action], body)
        return thing

    def change(self, **body: Any) -> Thing:
        thing: Thing = self.client.ask("PUT", self["links"]["self"], body)
        return thing

    def remove(self) -> Thing:
        thing: Thing = self.client.ask("DELETE", self["links"]["self"])
        return thing

    def again(self) -> Thing:
        thing: Thing = self.client.ask("GET", self["links"]["self"])
        return thing


class Discoverer:
    """Starts at one URL, reads the header X-API-Schemas, and generates itself from what it finds there."""

    def __init__(self, api: Api, url: str = "/v1") -> None:
        self.api = api
        start = api.get(url)
        schemas = start.headers["X-API-Schemas"]
        body = start.body if schemas.endswith(url) else api.get(schemas).body
        self.types = {each["id"]: each for each in body["data"] if each["type"] == "schema"}

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        answer = self.api.call(method, url, body)
        if answer.status >= 400:
            raise Refused(answer)
        if answer.body.get("type") == "collection":
            return [Thing(self, each) for each in answer["data"]]
        return Thing(self, answer.body)

    def _collection(self, kind: str, method: str) -> str:
        schema = self.types[kind]
        assert method in schema["collectionMethods"], f"{kind} has no {method}"
        url: str = schema["links"].get("collection") or schema["links"]["self"].replace(
            f"schemas/{kind}", schema["pluralName"].lower()
        )
        return url

    def create(self, kind: str, **body: Any) -> Thing:
        thing: Thing = self.ask("POST", self._collection(kind, "POST"), body)
        return thing

    def all(self, kind: str, query: str = "") -> list[Thing]:
        things: list[Thing] = self.ask("GET", self._collection(kind, "GET") + query)
        return things
