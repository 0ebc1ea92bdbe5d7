"""Web application of the review server: one route per kind of request."""

import json
from typing import Any, Literal

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..data.csv_cells import csv_bytes
from ..data.review_file import COLUMNS, DECISIONS
from ..errors import InputError
from ..report.page_data import TILE_KINDS
from .access import AccessControl
from .decisions import LabelDecision
from .filters import SuspectQuery
from .session import ReviewSession

MAX_SUSPECTS = 100
"""Maximum number of suspects in one request."""
MAX_BODY_BYTES = 4096
"""Maximum size of a request body."""


class DecisionMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision as the page sends it."""

    decision: Literal["accept", "reject", "relabel"]
    label: int


class DecisionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of one decision: the new one, and the one that the page showed before."""

    index: int
    decided: DecisionMessage | None
    before: DecisionMessage | None


def create_app(session: ReviewSession, token: str, port: int) -> Starlette:
    """Create the web application of a review session.

    Args:
        session: the run under review.
        token: the secret in the address that the user opens.
        port: the port of the server.
    """
    endpoints = _Endpoints(session)
    routes = [
        Route("/", endpoints.page),
        Route("/find", endpoints.find),
        Route("/suspects", endpoints.suspects),
        Route("/pictures/{kind}", endpoints.pictures),
        Route("/review.csv", endpoints.review),
        Route("/decisions", endpoints.decide, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(AccessControl, token=token, port=port)],
        exception_handlers={InputError: _conflict, msgspec.MsgspecError: _bad_request},
    )


class _Endpoints:
    """The endpoints, one method per route. Starlette runs those without `async` in threads."""

    def __init__(self, session: ReviewSession):
        self._session, self._page = session, session.page()
        self._suspect_count = len(session.run.gallery.suspects)
        self._class_count = len(session.run.gallery.classes)

    def page(self, request: Request) -> Response:  # noqa: ARG002
        return Response(self._page, media_type="text/html")

    def find(self, request: Request) -> Response:
        params = {name: value for name, value in request.query_params.items() if value}
        return JSONResponse(self._session.find(msgspec.convert(params, SuspectQuery, strict=False)))

    def suspects(self, request: Request) -> Response:
        # file names that aren't UTF-8 have lone surrogates, which only JSON escapes can carry
        suspects = self._session.suspects(self._indices(request))
        return Response(_ascii_json(suspects), media_type="application/json")

    def pictures(self, request: Request) -> Response:
        kind, indices = request.path_params["kind"], self._indices(request)
        if kind not in TILE_KINDS or not indices:
            return PlainTextResponse("There is no such picture.\n", 404)
        montage = self._session.thumbnails.montage(kind, indices)
        return Response(montage, media_type="image/png")

    def review(self, request: Request) -> Response:  # noqa: ARG002
        path = self._session.decisions.path
        content = path.read_bytes() if path.is_file() else csv_bytes(COLUMNS, ())
        return Response(content, media_type="text/csv")

    async def decide(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return PlainTextResponse("Too much.\n", 413)
        change = msgspec.json.decode(body, type=DecisionRequest)
        self._check_range([change.index])
        decision, before = self._parse(change.decided), self._parse(change.before)
        counts = await run_in_threadpool(self._session.decide, change.index, decision, before)
        return JSONResponse(counts)

    def _parse(self, message: DecisionMessage | None) -> LabelDecision | None:
        if message is None:
            return None
        if not 0 <= message.label < self._class_count:
            raise msgspec.ValidationError("no such class")
        return DECISIONS[message.decision], message.label

    def _indices(self, request: Request) -> list[int]:
        """Parse the suspects in the query, such as `?of=3,4`.

        Raises:
            MsgspecError: something isn't the index of a suspect, or there are too many.
        """
        text = request.query_params.get("of", "")
        indices = msgspec.convert(text.split(",") if text else [], list[int], strict=False)
        if len(indices) > MAX_SUSPECTS:
            raise msgspec.ValidationError("too many suspects at once")
        self._check_range(indices)
        return indices

    def _check_range(self, indices: list[int]) -> None:
        if not all(0 <= index < self._suspect_count for index in indices):
            raise msgspec.ValidationError("no such suspect")


def _conflict(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer 409 with the reason why nothing was changed."""
    return Response(_ascii_json({"problem": str(error)}), 409, media_type="application/json")


def _bad_request(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return PlainTextResponse("The page asks for nothing like that.\n", 400)


def _ascii_json(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")
