"""A stand-in for the Hugging Face Hub on this machine, whose repositories are folders here."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_of(repositories: dict[str, Path]) -> Iterator[str]:
    """The address of a Hub with these repositories, by `models/owner/name` or `datasets/...`."""

    class Handler(Answers):
        store = repositories

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Answers(BaseHTTPRequestHandler):
    """`/api/KIND/OWNER/NAME[/revision|tree/...]` and `.../resolve/REVISION/FILE`."""

    store: dict[str, Path]

    def do_GET(self) -> None:
        self.answer(True)

    def do_HEAD(self) -> None:
        self.answer(False)

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, whole: bool) -> None:
        parts = unquote(urlparse(self.path).path).strip("/").split("/")
        if parts[0] == "api" and (folder := self.store.get("/".join(parts[1:4]))):
            self.say(self.known(folder, parts[2:4], parts[4:]), whole)
        elif "resolve" in parts and (folder := self.folder_of(parts)):
            self.file(folder / "/".join(parts[parts.index("resolve") + 2 :]), whole)
        else:
            self.say(None, whole)

    def folder_of(self, parts: list[str]) -> Path | None:
        """Of `datasets/OWNER/NAME/resolve/...`, or of a model, whose kind is not said."""
        name = "/".join(parts[: parts.index("resolve")])
        return self.store.get(name) or self.store.get(f"models/{name}")

    def known(self, folder: Path, name: list[str], asked: list[str]) -> object:
        """What the API says of a repository, or of what is in it."""
        paths = sorted(folder.rglob("*"))
        if not asked or asked[0] == "revision":
            siblings = [{"rfilename": str(path.relative_to(folder))} for path in paths]
            return {"id": "/".join(name), "sha": COMMIT, "siblings": siblings}
        within = folder / "/".join(asked[2:])
        deep = parse_qs(urlparse(self.path).query).get("recursive") == ["true"]
        wanted = [path for path in paths if path.parent == within or deep]
        return [{"path": str(path.relative_to(folder)), **facts(path)} for path in wanted]

    def say(self, what: object, whole: bool) -> None:
        """What the API says; None where there is nothing of that name."""
        if what is None:
            self.send(404, {"X-Error-Code": "EntryNotFound"}, b"", whole)
        else:
            json_type = {"Content-Type": "application/json"}
            self.send(200, json_type, json.dumps(what).encode(), whole)

    def file(self, path: Path, whole: bool) -> None:
        if not path.is_file():
            return self.say(None, whole)
        named = {"ETag": json.dumps(facts(path)["oid"]), "X-Repo-Commit": COMMIT}
        return self.send(200, named, path.read_bytes(), whole)

    def send(self, code: int, headers: dict[str, str], content: bytes, whole: bool) -> None:
        """An answer, or what there is to know of it."""
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if whole:
            self.wfile.write(content)


def facts(path: Path) -> dict[str, object]:
    """What is known of a file or folder without its content."""
    content = path.read_bytes() if path.is_file() else b""
    kind = "file" if path.is_file() else "directory"
    return {"type": kind, "size": len(content), "oid": hashlib.sha256(content).hexdigest()}
