"""The HTTP server of a review session: socket, request timeout, start and stop."""

import asyncio
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import Any, NamedTuple

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import InputError
from .app import create_app
from .session import ReviewSession

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 2
"""Time that open requests have to finish when the server stops."""
REQUEST_TIMEOUT = 10.0
"""Seconds that a client has to send a whole request, counted from the start of the wait for it."""


class TimeoutProtocol(H11Protocol):
    """HTTP/1.1 that closes idle connections; uvicorn's own waits forever for a request to end."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the timer."""
        super().connection_made(transport)
        self._update_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the timer once the request is whole, and start it again after the response."""
        super().data_received(data)
        self._update_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _update_timer(self) -> None:
        if self._is_answering():
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(REQUEST_TIMEOUT, self._close)

    def _is_answering(self) -> bool:
        """Whether a request was received whole and its response isn't complete yet."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if not self._is_answering():
            self.transport.close()


def open_socket(port: int) -> socket.socket:
    """Open a listening socket that only this machine can reach.

    Args:
        port: the port; 0 takes any free one.
    Raises:
        InputError: the port is taken or not allowed.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # requests that come before the server runs wait in the queue
    except OSError as error:
        listener.close()
        raise InputError(
            f"port {port} cannot be used: {error.strerror}; give another --port"
        ) from error
    return listener


class PreparedServer(NamedTuple):
    """A server to run with `sockets=[listener]`, and the address with the token."""

    server: uvicorn.Server
    listener: socket.socket
    address: str


def prepare_server(session: ReviewSession, port: int = 0) -> PreparedServer:
    """Create the server of a review session; it answers once it runs.

    Args:
        session: the run under review.
        port: the port; 0 takes any free one.
    Raises:
        InputError: see `open_socket`.
    """
    listener = open_socket(port)
    port, token = listener.getsockname()[1], secrets.token_urlsafe(32)
    config = uvicorn.Config(
        create_app(session, token, port),
        loop="asyncio",
        http=TimeoutProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    address = f"http://{HOST}:{port}/?token={token}"
    return PreparedServer(uvicorn.Server(config), listener, address)


def serve(
    session: ReviewSession, port: int, announce: Callable[[str], None], open_browser: bool
) -> None:
    """Serve a review session until a signal ends it.

    Args:
        session: the run under review.
        port: the port; 0 takes any free one.
        announce: called with the address, which is the only way in.
        open_browser: open the address in the default browser.
    Raises:
        InputError: see `open_socket`.
        BaseException: what the caller's signal handlers raise (else KeyboardInterrupt), after open
            requests have been answered.
    """
    prepared = prepare_server(session, port)
    with prepared.listener:
        announce(prepared.address)
        if open_browser:  # in a thread: a terminal browser doesn't return and needs this server
            browser = threading.Thread(
                target=webbrowser.open, args=(prepared.address,), daemon=True
            )
            browser.start()
        prepared.server.run(sockets=[prepared.listener])
