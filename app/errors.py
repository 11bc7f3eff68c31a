"""The errors that services raise, each with the HTTP status and the code that the API answers with."""

from __future__ import annotations


class EncoreError(Exception):
    """Something that a merchant or an operator can act on.

    message: one sentence: what happened, what was kept, what to do.
    field:   the request field at fault, if one is.
    """

    status = 500
    code = "internal"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Invalid(EncoreError):
    """The request is understood and can't be accepted."""

    status = 422
    code = "invalid"


class NotFound(EncoreError):
    """There is no such thing in this shop."""

    status = 404
    code = "not_found"


class Conflict(EncoreError):
    """The thing is in a state, or in use, so that this can't be done now."""

    status = 409
    code = "conflict"


class NotAuthorised(EncoreError):
    """The session token is missing, stale or forged."""

    status = 401
    code = "not_authorised"


class Unavailable(EncoreError):
    """An outside service, or data not yet computed; trying again later helps."""

    status = 503
    code = "unavailable"
