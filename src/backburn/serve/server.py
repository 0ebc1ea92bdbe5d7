"""A server on this machine for one review, until it is stopped."""

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import NamedTuple

import uvicorn

from ..errors import InputError
from .app import app_of
from .session import Desk
from .timeouts import Prompt

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
        found.listen()  # who asks before the server runs is answered a little later
    except OSError as error:
        found.close()
        raise InputError(
            f"port {port} cannot be used: {error.strerror}; give another --port"
        ) from error
    return found


class Served(NamedTuple):
    """A server that is ready to run on `sockets=[door]`, and the address that lets people in."""

    server: uvicorn.Server
    door: socket.socket
    address: str


def prepare(desk: Desk, port: int = 0) -> Served:
    """A server of a desk; it answers once it runs.

    Args:
        port: 0 is any free one.
    Raises:
        InputError: see `listening`.
    """
    door = listening(port)
    port, token = door.getsockname()[1], secrets.token_urlsafe(32)
    settings = uvicorn.Config(
        app_of(desk, token, port),
        loop="asyncio",
        http=Prompt,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    return Served(uvicorn.Server(settings), door, f"http://{HOST}:{port}/?token={token}")


def serve(desk: Desk, port: int, say: Callable[[str], None], browse: bool) -> None:
    """Serve until a signal ends it.

    Args:
        port: 0 is any free one.
        say: is told the address, which whoever may review has to know.
        browse: open it in the default browser.
    Raises:
        InputError: see `listening`.
        BaseException: what the caller's signal handlers raise (else KeyboardInterrupt), after what
            was asked for has been answered.
    """
    served = prepare(desk, port)
    with served.door:
        say(served.address)
        if browse:  # a browser in the terminal would not return, and it needs this server
            browser = threading.Thread(target=webbrowser.open, args=(served.address,), daemon=True)
            browser.start()
        served.server.run(sockets=[served.door])
