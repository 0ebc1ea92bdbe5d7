"""The desk over HTTP."""

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
from ..report.page_data import KINDS
from .access import Guard
from .decisions import Decided
from .filters import Query
from .session import Desk

AT_ONCE = 100
"""Suspects that are asked for in one request, at the most."""
LARGEST = 4096
"""Bytes of what is sent here."""


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision as the page says it."""

    decision: Literal["accept", "reject", "relabel"]
    label: int


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page wants decided, and what it showed before."""

    index: int
    decided: Said | None
    before: Said | None


def app_of(desk: Desk, token: str, port: int) -> Starlette:
    """The application; every request passes the guard."""
    pages = _Pages(desk)
    routes = [
        Route("/", pages.page),
        Route("/find", pages.find),
        Route("/suspects", pages.suspects),
        Route("/pictures/{kind}", pages.pictures),
        Route("/review.csv", pages.review),
        Route("/decisions", pages.decide, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, port=port)],
        exception_handlers={InputError: _problem, msgspec.MsgspecError: _odd},
    )


class _Pages:
    """One method an address; those that are not `async` run in threads."""

    def __init__(self, desk: Desk):
        self._desk, self._page = desk, desk.page()
        self._count = len(desk.finished.gallery.suspects)
        self._classes = len(desk.finished.gallery.classes)

    def page(self, request: Request) -> Response:  # noqa: ARG002
        return Response(self._page, media_type="text/html")

    def find(self, request: Request) -> Response:
        chosen = {name: value for name, value in request.query_params.items() if value}
        return JSONResponse(self._desk.find(msgspec.convert(chosen, Query, strict=False)))

    def suspects(self, request: Request) -> Response:
        # names that are no UTF-8 have lone surrogates, which only escapes can carry
        told = self._desk.suspects(self._places(request))
        return Response(_ascii(told), media_type="application/json")

    def pictures(self, request: Request) -> Response:
        kind, places = request.path_params["kind"], self._places(request)
        if kind not in KINDS or not places:
            return PlainTextResponse("There is no such picture.\n", 404)
        return Response(self._desk.easel.montage(kind, places), media_type="image/png")

    def review(self, request: Request) -> Response:  # noqa: ARG002
        path = self._desk.book.path
        content = path.read_bytes() if path.is_file() else csv_bytes(COLUMNS, ())
        return Response(content, media_type="text/csv")

    async def decide(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return PlainTextResponse("Too much.\n", 413)
        wanted = msgspec.json.decode(body, type=Wanted)
        self._within([wanted.index])
        both = [self._decided(said) for said in (wanted.decided, wanted.before)]
        return JSONResponse(await run_in_threadpool(self._desk.decide, wanted.index, *both))

    def _decided(self, said: Said | None) -> Decided | None:
        if said is None:
            return None
        if not 0 <= said.label < self._classes:
            raise msgspec.ValidationError("no such class")
        return DECISIONS[said.decision], said.label

    def _places(self, request: Request) -> list[int]:
        """Raises MsgspecError: what is no place of a suspect."""
        asked = request.query_params.get("of", "")
        places = msgspec.convert(asked.split(",") if asked else [], list[int], strict=False)
        if len(places) > AT_ONCE:
            raise msgspec.ValidationError("too many suspects at once")
        self._within(places)
        return places

    def _within(self, places: list[int]) -> None:
        if not all(0 <= place < self._count for place in places):
            raise msgspec.ValidationError("no such suspect")


def _problem(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Nothing was changed, and why."""
    return Response(_ascii({"problem": str(error)}), 409, media_type="application/json")


def _odd(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return PlainTextResponse("The page asks for nothing like that.\n", 400)


def _ascii(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")
