"""Who may ask: a browser that was given the token, by the name of this machine only."""

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .session import POLICY

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
READS = ("GET", "HEAD")


class Guard:
    """Lets requests through to `app`, or answers 403.

    The name that is asked for (Host) must be this machine's, lest a page of another name that
    points here reads along. `/?token=TOKEN` gives a cookie, and everything else needs it. What
    changes something must come from a page of this very server (Origin): to a browser, another
    port of this machine is the same site.
    """

    def __init__(self, app: ASGIApp, token: str, port: int):
        self._app, self._token = app, token
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        # cookies are not kept apart by port
        self._cookie, self._session = f"backburn-{port}", secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let `app` do so."""
        if scope["type"] != "http":
            raise ValueError(f"there is no {scope['type']} here")
        answer = self._refusal(scope) or self._entry(scope) or self._app

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await answer(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:
            return PlainTextResponse(f"Ask for {self._hosts[0]}.\n", 403)
        if scope["method"] not in READS and headers.get("origin") != f"http://{host}":
            return PlainTextResponse("Another page may not change anything here.\n", 403)
        return None

    def _entry(self, scope: Scope) -> Response | None:
        """A cookie for the token; nothing without one of the two."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and _same(given, self._token):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
            return answer
        cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
        if _same(cookies.get(self._cookie, ""), self._session):
            return None
        return PlainTextResponse("Open the address that backburn serve printed.\n", 403)


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())
