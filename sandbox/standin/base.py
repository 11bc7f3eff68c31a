"""The part of a vendor stand-in that is the same for every vendor.

A call is judged in this order, as real services do it: who is asking, how often, whether the form
is right (published document, then the limits that exist only in prose); then it is carried out,
and our own answer is held against the document as well. Whatever fails is listed as a violation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import orjson
from flask import Flask, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from sandbox.http_spec import SentRequest, vendor_spec
from sandbox.standin.faults import Fault, FaultScript
from sandbox.standin.guard import CALL_KEY, Guard
from sandbox.standin.log import Call, Log
from sandbox.standin.windows import FixedWindows

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from sandbox.clock import SandboxClock
    from sandbox.standin.database import Database

BODY_KEY = "encore.body"  # the parsed body, in the WSGI environment
TEMPLATES = Path(__file__).parent / "templates"


class Refused(Exception):
    """A call that gets an error answer in the vendor's own form.

    kind: what it counts as in the list of violations; None if a correct client may see it too,
          such as a list that someone deleted.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        pointer: str = "",
        parameter: str = "",
        kind: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.pointer = pointer
        self.parameter = parameter
        self.kind = kind
        self.headers = headers or {}


@dataclass
class Behaviour:
    """What may be changed while a stand-in runs.

    job_seconds: how long an asynchronous job takes, in sandbox time; 0 finishes it at once
    windows:     whether rate limits are counted
    """

    job_seconds: float = 2.0
    windows: bool = True


class Records(Protocol):
    """What a vendor remembers."""

    db: Database

    def clear(self) -> None:
        """Forget everything."""

    def plant(self, now: datetime) -> None:
        """Put in what a new account has, unless it is there."""


@dataclass
class StandIn(ABC):
    """One vendor. Subclasses say who may call, how often, in which form, and how errors look."""

    clock: SandboxClock
    behaviour: Behaviour
    data: Records
    log: Log = field(default_factory=Log)
    faults: FaultScript = field(default_factory=FaultScript)
    windows: FixedWindows = field(default_factory=FixedWindows)
    guard: Guard | None = None
    inner: WSGIApplication = None  # type: ignore[assignment]  # the routes without the guard; set by `install`

    vendor = ""  # name of the published document
    base_path = ""  # where the vendor's paths start
    sparse: ClassVar[tuple[str, ...]] = ()  # parameters that begin so choose fields of the answer
    api_prefix = ""  # what all of the vendor's paths start with, base path included
    max_open: ClassVar[int | None] = None  # calls that may run at once

    @abstractmethod
    def authorise(self) -> None:
        """Raise Refused if the caller shows no valid key."""

    @abstractmethod
    def throttle(self, operation: str) -> None:
        """Raise Refused if this operation was called too often."""

    @abstractmethod
    def check_limits(self, operation: str) -> None:
        """Raise Refused for what the published document lets pass and the vendor does not."""

    @abstractmethod
    def error(self, refused: Refused) -> Response:
        """The vendor's error answer."""

    @abstractmethod
    def fault_error(self, status: int, fault: Fault | None) -> Response:
        """The vendor's error answer for a scripted status."""

    @abstractmethod
    def settle(self) -> None:
        """Carry out the asynchronous work that is due by now."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that tests compare, as plain JSON."""

    def decorate(self, response: Response) -> None:  # noqa: B027 - most vendors add nothing
        """Put headers on an answer that every answer of the vendor carries."""

    def reset(self) -> None:
        """Back to the first start: seed data, no calls, no faults, fresh windows."""
        self.faults.clear()
        self.windows.clear()
        if self.guard:
            self.guard.release()
        self.clear()
        self.log.clear()

    def clear(self) -> None:
        """Forget all data and plant the seed anew."""
        self.data.clear()
        self.data.plant(self.clock.now())

    def close(self) -> None:
        """Let go of hanging calls and then of files; the stand-in is not used afterwards."""
        if self.guard:
            self.guard.release()
        self.data.db.close()

    def install(self, app: Flask) -> None:
        """Put the judging of calls and answers around the routes of `app`."""
        app.before_request(self._judge)
        app.after_request(self._judge_answer)
        app.register_error_handler(Refused, self._refuse)
        app.register_error_handler(HTTPException, self._http_error)
        app.add_url_rule("/", "root_page", lambda: redirect("/sandbox"))
        self.inner = app.wsgi_app
        self.guard = Guard(
            app.wsgi_app,
            log=self.log,
            faults=self.faults,
            clock=self.clock,
            error=self.fault_error,
            max_open=self.max_open,
        )
        app.wsgi_app = self.guard  # type: ignore[method-assign]

    def not_built(self, what: str) -> Refused:
        """The refusal of something that the vendor does and this stand-in does not."""
        return Refused(501, "not_built", "Not built.", f"The stand-in has no {what}.", kind="not_built")

    def _judge(self) -> None:
        self.settle()
        if not request.path.startswith(self.api_prefix):
            return
        rule = request.url_rule
        if rule is None or request.method not in _methods(rule.methods):
            detail = f"{request.method} {request.path} is not a route of this stand-in"
            raise Refused(404, "not_found", "Not found.", detail, kind="route")
        operation = rule.endpoint
        current_call().operation = operation
        self.authorise()
        if self.behaviour.windows:
            self.throttle(operation)
        self._check_document()
        self.check_limits(operation)

    def _check_document(self) -> None:
        spec = vendor_spec(self.vendor)
        if spec is None:
            return
        path = request.path.removeprefix(self.base_path) or "/"
        sent = SentRequest(spec, request.method, path, request.args, dict(request.headers), request.get_data())
        problems = spec.request_problems(sent, path, security=not _is_bearer())
        call = current_call()
        call.valid = not problems
        for problem in problems[1:]:
            self.log.refuse(call, "document", f"{problem.where}: {problem.detail}", problem.pointer)
        if problems:
            first = problems[0]
            in_parameter = first.where == "parameter"
            raise Refused(
                400,
                "invalid",
                "Invalid input.",
                first.detail,
                pointer="" if in_parameter else first.pointer,
                parameter=first.pointer if in_parameter else "",
                kind="document",
            )

    def _judge_answer(self, response: Response) -> Response:
        if not request.path.startswith(self.api_prefix):
            return response
        self.decorate(response)
        spec = vendor_spec(self.vendor)
        if spec is None:
            return response
        problems = spec.response_problems(
            request.method,
            request.path.removeprefix(self.base_path) or "/",
            response.status_code,
            response.content_type or "",
            response.get_data(),
        )
        if any(name.startswith(self.sparse) for name in request.args):
            # The documents describe whole answers; who asks for some fields gets no others, required or not.
            problems = [problem for problem in problems if not problem.missing]
        if not problems:
            return response
        for problem in problems:
            self.log.refuse(current_call(), "answer", f"{problem.where}: {problem.detail}", problem.pointer)
        wrong = Refused(500, "stand_in_fault", "The stand-in answered wrongly.", problems[0].detail)
        return self.error(wrong)

    def _refuse(self, refused: Refused) -> Response:
        if refused.kind:
            where = refused.pointer or refused.parameter
            self.log.refuse(current_call(), refused.kind, refused.detail, where)
        response = self.error(refused)
        response.headers.extend(refused.headers)
        return response

    def _http_error(self, error: HTTPException) -> Response:
        if not request.path.startswith(self.api_prefix):
            return error.get_response()
        code = error.code or 500
        return self.error(Refused(code, "error", error.name, error.description or error.name))


def current_call() -> Call:
    """The log's entry for the request in hand; a detached one if it did not come over the wire."""
    call: Call | None = request.environ.get(CALL_KEY)
    if call is None:
        call = request.environ[CALL_KEY] = _detached()
    return call


def json_answer(value: Any, status: int = 200, content_type: str = "application/json") -> Response:
    """An answer with a JSON body."""
    return Response(orjson.dumps(value), status=status, content_type=content_type)


def json_body() -> Any:
    """The request's body as JSON, read once. Raises Refused (400) if it is none."""
    # Kept with the request, not in flask.g: a batch runs calls inside a call, and they share one g.
    if BODY_KEY not in request.environ:
        try:
            request.environ[BODY_KEY] = orjson.loads(request.get_data() or b"null")
        except orjson.JSONDecodeError as error:
            raise Refused(400, "invalid", "Invalid JSON.", f"not JSON: {error}", kind="document") from error
    return request.environ[BODY_KEY]


def at(value: Any, *keys: str) -> Any:
    """The value under these keys, or None as soon as one is missing."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _detached() -> Call:
    return Call(
        number=0,
        at=datetime.now(UTC),
        method=request.method,
        path=request.path,
        query_string="",
        query={},
        headers={},
        body=b"",
    )


def _is_bearer() -> bool:
    # Mailchimp's document lists Basic only; the service takes OAuth's Bearer as well.
    return request.headers.get("Authorization", "").startswith("Bearer ")


def _methods(methods: Any) -> set[str]:
    return set(methods or ()) - {"HEAD", "OPTIONS"}
