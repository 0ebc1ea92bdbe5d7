"""Over HTTP: who is let in, what is answered, and what is refused."""

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from backburn.errors import InputError
from backburn.report.finished_run import open_finished_run
from backburn.report.thumbnails import shrink
from backburn.serve.app import create_app
from backburn.serve.decisions import Decisions
from backburn.serve.session import ReviewSession
from backburn.serve.thumbnails import ThumbnailRenderer, ThumbnailSource
from backburn.types import Case
from handmade import made_gallery, written

HOST = "127.0.0.1:4321"
ORIGIN = {"Origin": f"http://{HOST}"}
TOKEN = "a-token"  # noqa: S105


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = written(tmp_path_factory.mktemp("runs") / "run", count=1200, side=8)
    return open_finished_run(run)


@pytest.fixture
def app(finished, tmp_path):
    decisions = Decisions(tmp_path / "review.csv", finished.gallery)
    session = ReviewSession(finished, decisions, ThumbnailSource(finished.gallery))
    return create_app(session, TOKEN, 4321)


@pytest.fixture
def stranger(app) -> TestClient:
    return TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)


@pytest.fixture
def client(stranger) -> TestClient:
    """Has been given the token."""
    assert stranger.get(f"/?token={TOKEN}").status_code == 303
    return stranger


def decision(**change):
    wanted = {"index": 4, "decided": {"decision": "relabel", "label": 3}, "before": None}
    return {**wanted, **change}


PATHS = ("/", "/find", "/suspects?of=1", "/pictures/image?of=1", "/review.csv", "/nothing")


@pytest.mark.parametrize("path", [*PATHS, "/?token=", "/?token=a-toke", "/find?token=a-token"])
def test_without_the_token_everything_is_refused(stranger, path):
    for headers in ({}, {"Cookie": "backburn-4321="}, {"Cookie": "backburn-4321=guess"}):
        answer = stranger.get(path, headers=headers)
        assert answer.status_code == 403
        assert answer.text == "Open the address that backburn serve printed.\n"
    assert stranger.post("/decisions", json=decision(), headers=ORIGIN).status_code == 403


def test_the_token_gives_a_cookie_that_no_script_reads_and_no_other_site_sends(stranger):
    answer = stranger.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("backburn-4321=")
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize("host", ["evil.example:4321", "127.0.0.1", "127.0.0.1:80", ""])
def test_another_name_of_this_machine_is_refused(client, host):
    for path in (*PATHS, f"/?token={TOKEN}"):
        answer = client.get(path, headers={"Host": host})
        assert (answer.status_code, answer.headers.get("set-cookie")) == (403, None)


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:9"])
def test_pages_of_others_change_nothing(client, origin):
    headers = {} if origin is None else {"Origin": origin}
    assert client.post("/decisions", json=decision(), headers=headers).status_code == 403
    assert client.get("/review.csv").text.count("\n") == 1


def test_every_answer_says_what_it_may_do(client):
    for path in PATHS:
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; img-src 'self' data:; style-src 'sha256-")
        assert policy.endswith("connect-src 'self'; frame-ancestors 'none'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"


def test_all_suspects_can_be_asked_for_by_page(client):
    view = client.get("/find", params={"search": "photo 11", "sort": "name"}).json()["view"]
    assert view == list(range(1100, 1200))
    found = client.get("/suspects", params={"of": "999,1000"}).json()
    assert [each["cells"][0] for each in found["suspects"]] == ["photo 0999.png", "photo 1000.png"]
    assert [each["pictured"] for each in found["suspects"]] == [True, False]
    assert found["counts"] == {"accept": 0, "reject": 0, "relabel": 0}
    assert client.get("/suspects", params={"of": ""}).json()["suspects"] == []


def test_pictures_lie_side_by_side(client, finished):
    answer = client.get("/pictures/image", params={"of": "3,1000,0"})
    sheet = torch.frombuffer(
        bytearray(Image.open(io.BytesIO(answer.content)).tobytes()), dtype=torch.uint8
    )
    sheet = sheet.reshape(8, 80, 3).permute(2, 0, 1)
    image = finished.gallery.image
    assert torch.equal(sheet[:, :, :8], image[3])
    assert int(sheet[:, :, 8:16].sum()) == 0
    assert torch.equal(sheet[:, :, 16:24], image[0])


@pytest.mark.parametrize("path", [
    "/suspects?of=1200", "/suspects?of=-1", "/suspects?of=x", "/suspects?of=1,,2",
    f"/suspects?of={','.join(['1'] * 101)}", "/pictures/image?of=1.5", "/find?given=cat",
    "/find?decision=maybe", "/find?sort=odd",
])  # fmt: skip
def test_what_no_page_asks_is_refused(client, path):
    assert client.get(path).status_code == 400


def test_there_are_no_other_pictures(client):
    assert client.get("/pictures/gallery?of=1").status_code == 404
    assert client.get("/pictures/image?of=").status_code == 404


@pytest.mark.parametrize("body", [
    decision(index=1200), decision(index=-1), decision(index="4"), decision(more=1), [], {},
    decision(decided={"decision": "maybe", "label": 0}),
    decision(decided={"decision": "relabel", "label": 4}),
    decision(before={"decision": "relabel", "label": -1}),
])  # fmt: skip
def test_a_decision_that_is_none_is_refused(client, body):
    assert client.post("/decisions", json=body, headers=ORIGIN).status_code == 400
    assert client.get("/review.csv").text.count("\n") == 1


def test_too_much_is_refused(client):
    assert client.post("/decisions", content=b"x" * 5000, headers=ORIGIN).status_code == 413


def test_a_decision_is_counted_and_a_conflict_is_told(client):
    first = client.post("/decisions", json=decision(), headers=ORIGIN)
    assert first.json() == {"accept": 0, "reject": 0, "relabel": 1}
    second = client.post("/decisions", json=decision(), headers=ORIGIN)
    assert second.status_code == 409
    assert "decided on in another tab" in second.json()["problem"]
    (shown,) = client.get("/suspects?of=4").json()["suspects"]
    assert shown["decided"] == {"decision": "relabel", "label": 3}
    assert "photo 0004.png,airplane,dog,relabel,frog" in client.get("/review.csv").text


@pytest.fixture
def later(backdoored):
    """A case whose poison is suspected, and its gallery, of which only ten have pictures."""
    case, rows = backdoored.case, backdoored.poison.nonzero().flatten().tolist()
    small = made_gallery(len(rows), channels=1)
    suspects = tuple(
        each._replace(image=case.images.name_of(row), row=row, given=int(case.images.labels[row]))
        for each, row in zip(small.suspects, rows, strict=True)
    )
    pictures = shrink(case.images.pixels[rows[:10]])
    return case, replace(
        small,
        suspects=suspects,
        image=pictures,
        perturbed=pictures,
        perturbation=pictures,
        mean_directions={},
    )


def test_thumbnails_that_the_gallery_lacks_are_rendered(later):
    case, gallery = later
    source = ThumbnailSource(gallery, ThumbnailRenderer(case, gallery, "fast"))
    stored, rendered = source.get([2, 12])
    assert torch.equal(stored.image, gallery.image[2])
    assert torch.equal(rendered.image, case.images.pixels[gallery.suspects[12].row])
    assert rendered.has_boundary
    assert 0 < rendered.suspect.distance < 10
    assert not torch.equal(rendered.perturbed, rendered.image)
    assert source.get([12])[0] is rendered
    assert ThumbnailSource(gallery).get([2, 12])[1] is None


def test_images_that_are_others_are_refused(later):
    case, gallery = later
    images = case.images
    moved = replace(images, labels=images.labels.roll(1))
    with pytest.raises(InputError, match="not those that the run looked at"):
        ThumbnailRenderer(Case(case.model, moved), gallery, "fast")
