"""The routes under /sandbox with which tests and people look into a stand-in and steer it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from sandbox.standin.base import json_answer
from sandbox.standin.faults import Fault

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from sandbox.standin.base import StandIn


def control(standin: StandIn) -> Blueprint:  # noqa: C901 - a list of small routes
    """Routes: requests, violations, faults, state, settings, reset."""
    routes = Blueprint("control", __name__, url_prefix="/sandbox")

    @routes.get("/requests")
    def requests() -> Response:
        """Calls, oldest first. ?method= and ?path= (prefix) filter, ?after=n, ?bodies=0 is shorter."""
        method, path = request.args.get("method"), request.args.get("path", "")
        after = request.args.get("after", 0, int)
        calls = [
            call.to_json(with_body=request.args.get("bodies") != "0")
            for call in standin.log.all()
            if call.number > after and call.path.startswith(path) and method in (None, call.method)
        ]
        return json_answer({"requests": calls, "total": standin.log.total})

    @routes.get("/violations")
    def violations() -> Response:
        """What was refused, or answered wrongly, and why."""
        return json_answer({"violations": [v.to_json() for v in standin.log.violations]})

    @routes.get("/faults")
    def faults() -> Response:
        """The faults still to come."""
        return json_answer({"faults": standin.faults.to_json()})

    @routes.post("/faults")
    def add_faults() -> Response:
        """Script faults: one object or a list of them. See sandbox.standin.faults.Fault."""
        given = request.get_json()
        try:
            scripted = [Fault.from_json(one) for one in (given if isinstance(given, list) else [given])]
        except (TypeError, ValueError) as error:
            return json_answer({"error": str(error)}, 400)
        for fault in scripted:
            standin.faults.add(fault)
        return json_answer({"faults": standin.faults.to_json()}, 201)

    @routes.delete("/faults")
    def clear_faults() -> Response:
        """Forget all faults and let hanging calls go."""
        standin.faults.clear()
        if standin.guard:
            standin.guard.release()
        return json_answer({"faults": []})

    @routes.get("/state")
    def state() -> Response:
        """All data, for tests."""
        return json_answer(standin.state())

    @routes.post("/settings")
    def settings() -> Response:
        """Change job_seconds or windows while running."""
        given: dict[str, Any] = request.get_json()
        if unknown := set(given) - set(asdict(standin.behaviour)):
            return json_answer({"error": f"unknown settings {sorted(unknown)}"}, 400)
        for name, value in given.items():
            setattr(standin.behaviour, name, value)
        return json_answer(asdict(standin.behaviour))

    @routes.post("/reset")
    def reset() -> Response:
        """Back to the first start."""
        standin.reset()
        return json_answer({"reset": True})

    return routes
