"""Refusals: why a request was not carried out, in words for a person and a code for a client."""

from __future__ import annotations


class Problem(Exception):
    """One refusal: `message` says what is wrong and what to do about it, `code` is the v1 error code."""

    status = 500
    code = "Internal Server Error"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        field: str | None = None,
        detail: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.message = message
        self.status = self.status if status is None else status
        self.code = self.code if code is None else code
        self.field = field
        self.detail = detail


class Invalid(Problem):
    """A field of the request is wrong; `code` is one of v1's, such as `InvalidFormat` or `MissingRequired`."""

    status = 422
    code = "Unprocessable Entity"

    def __init__(self, field: str, code: str, message: str, detail: str | None = None) -> None:
        super().__init__(message, code=code, field=field, detail=detail)


class ActionNotAvailable(Problem):
    """The action exists, but not for this object as it is now."""

    status = 422
    code = "ActionNotAvailable"


class Locked(Problem):
    """Somebody locked it against changes; the message says who, since when and why."""

    status = 422
    code = "Locked"


class Unauthorized(Problem):
    """The request has no valid credential."""

    status = 401
    code = "Unauthorized"


class Forbidden(Problem):
    """The caller is known and lacks the permission."""

    status = 403
    code = "Forbidden"


class ReauthenticationRequired(Forbidden):
    """The caller has the permission, but must first authenticate again."""

    code = "ReauthenticationRequired"


class NotFound(Problem):
    """There is no such thing, or none that the caller may know of."""

    status = 404
    code = "Not Found"


class MethodNotAllowed(Problem):
    """The caller may see the thing but not use this method on it."""

    status = 405
    code = "Method not allowed"


class Conflict(Problem):
    """Somebody else was faster, or the thing is busy: read it again and retry."""

    status = 409
    code = "Conflict"


class TooManyRequests(Problem):
    """The caller tried too often; `retry_after` says in how many seconds it may again."""

    status = 429
    code = "Too Many Requests"


class Busy(Problem):
    """The portal cannot do this for anybody right now; nothing was looked at."""

    status = 503
    code = "Service Unavailable"
