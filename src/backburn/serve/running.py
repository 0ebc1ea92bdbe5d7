"""A server on this machine for one review, until it is stopped."""

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from ..errors import InputError
from .app import app_of
from .desk import Desk

HOST = "127.0.0.1"
PATIENCE = 2
"""Seconds in which requests may end when the server is stopped."""


def listening(port: int) -> socket.socket:
    """A socket that only this machine reaches; 0 is any free port.

    Raises:
        InputError: the port is taken, or not ours to take.
    """
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise InputError(
            f"port {port} cannot be used: {error.strerror}; give another --port"
        ) from error
    return found


def serve(desk: Desk, port: int, say: Callable[[str], None], browse: bool) -> None:
    """Serve until a signal ends it.

    Args:
        port: 0 is any free one.
        say: is told the address, which whoever may review has to know.
        browse: open it in the default browser.
    Raises:
        InputError: see `listening`.
        KeyboardInterrupt: it was ended by Ctrl-C, after what was asked for has been answered.
    """
    with listening(port) as door:
        port, token = door.getsockname()[1], secrets.token_urlsafe(32)
        server = _server(desk, token, port)
        address = f"http://{HOST}:{port}/?token={token}"
        say(address)
        if browse:  # a browser in the terminal would not return, and it needs this server
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server.run(sockets=[door])


def _server(desk: Desk, token: str, port: int) -> uvicorn.Server:
    settings = uvicorn.Config(
        app_of(desk, token, port),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    return uvicorn.Server(settings)
