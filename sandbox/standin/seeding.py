"""The route that makes or changes people by hand, from a test or from the page's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import redirect, request

from sandbox.standin.base import json_answer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import datetime

    from flask.typing import ResponseReturnValue

    from sandbox.standin.base import StandIn


def seeding(
    standin: StandIn,
    seed: Callable[[dict[str, Any], datetime], sqlite3.Row],
    shown: Callable[[sqlite3.Row], dict[str, Any]],
) -> Callable[[], ResponseReturnValue]:
    """A view that takes JSON (one or a list) or the page's form, and answers with what is kept.

    seed: makes or changes one; ValueError says what is wrong with it. shown: one as JSON.
    """

    def view() -> ResponseReturnValue:
        if not request.is_json:
            seed(request.form.to_dict(), standin.clock.now())
            return redirect("/sandbox", 303)
        given: Any = request.get_json()
        try:
            rows = [seed(one, standin.clock.now()) for one in (given if isinstance(given, list) else [given])]
        except ValueError as error:
            return json_answer({"error": str(error)}, 400)
        return json_answer({"profiles": [shown(row) for row in rows]}, 201)

    return view
