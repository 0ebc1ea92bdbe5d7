"""Access control of the review server: token, session cookie, Host and Origin checks."""

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .session import CONTENT_SECURITY_POLICY

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers added to every response."""
SAFE_METHODS = ("GET", "HEAD")
"""HTTP methods that change nothing."""


class AccessControl:
    """ASGI middleware that passes allowed requests to `app` and answers all others with 403.

    The Host header must name this machine; otherwise a foreign domain that resolves to it could
    read along. `/?token=TOKEN` sets a session cookie, which every other request needs. Requests
    that change something must also come from a page of this server, by their Origin header. The
    cookie alone isn't enough there: a browser treats other ports of this machine as the same site.

    Args:
        app: the application to protect.
        token: the secret in the address that the user opens.
        port: the port of the server.
    """

    def __init__(self, app: ASGIApp, token: str, port: int):
        self._app, self._token = app, token
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        # browsers share cookies between ports, so the port is part of the name
        self._cookie, self._session = f"backburn-{port}", secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or let `app` answer it."""
        if scope["type"] != "http":
            raise ValueError(f"there is no {scope['type']} here")
        responder = self._check_host_and_origin(scope) or self._check_login(scope) or self._app

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        await responder(scope, receive, send_with_headers)

    def _check_host_and_origin(self, scope: Scope) -> Response | None:
        """Return a refusal for a wrong Host or Origin, else None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:
            return PlainTextResponse(f"Ask for {self._hosts[0]}.\n", 403)
        if scope["method"] not in SAFE_METHODS and headers.get("origin") != f"http://{host}":
            return PlainTextResponse("Another page may not change anything here.\n", 403)
        return None

    def _check_login(self, scope: Scope) -> Response | None:
        """Set the cookie for a valid token; refuse requests with neither token nor cookie."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and _equal(query.get("token", [""])[0], self._token):
            response = RedirectResponse("/", 303)
            response.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
            return response
        cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
        if _equal(cookies.get(self._cookie, ""), self._session):
            return None
        return PlainTextResponse("Open the address that backburn serve printed.\n", 403)


def _equal(secret: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return secrets.compare_digest(secret.encode(), expected.encode())
