"""A search that was stopped goes on, and never with somebody else's shards."""

import pytest
import torch
from torch import nn

from backburn.boundary.search_boundary import BoundarySearch, search_boundary
from backburn.executor.boundary_shards import choose_shard_size, search_in_shards
from backburn.models.inference import effective_batch_size
from backburn.models.nets.zoo import build

FOURS = BoundarySearch(batch_size=4, directions=True)


@pytest.fixture
def pixels(generator) -> torch.Tensor:
    return torch.randint(256, (11, 3, 8, 8), generator=generator).to(torch.uint8)


@pytest.fixture
def model(generator) -> nn.Module:
    return build("small_cnn-w4", 5, 3, generator=generator).eval()


class StoppedError(Exception):
    pass


def stop_after(images: int):
    """Progress that stops the search once so many images are done."""

    def tell(_: str, done: int, __: int) -> None:
        if done > images:
            raise StoppedError

    return tell


def times(folder) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def same(one, other) -> bool:
    return torch.equal(one.distance, other.distance) and torch.equal(one.direction, other.direction)


def test_shards_say_what_one_search_says(model, pixels, tmp_path):
    whole = search_boundary(model, pixels, batch_size=4, directions=True)
    parts = search_in_shards(model, pixels, tmp_path / "s", FOURS, shard_size=4)
    assert same(whole, parts)
    assert len(times(tmp_path / "s")) == 3


def test_a_search_that_was_stopped_goes_on_where_it_was(model, pixels, tmp_path):
    whole = search_in_shards(model, pixels, tmp_path / "whole", FOURS, shard_size=4)
    with pytest.raises(StoppedError):
        search_in_shards(
            model, pixels, tmp_path / "cut", FOURS, shard_size=4, progress=stop_after(8)
        )
    before = times(tmp_path / "cut")
    assert len(before) == 2
    told = []
    resumed = search_in_shards(
        model, pixels, tmp_path / "cut", FOURS, shard_size=4, progress=lambda *x: told.append(x)
    )
    assert same(whole, resumed)
    after = times(tmp_path / "cut")
    assert {name: after[name] for name in before} == before
    assert [done for _, done, _ in told] == [4, 8, 11]
    assert {total for *_, total in told} == {11}


@pytest.mark.parametrize("changed", ["pixels", "weights", "norm", "budget", "directions"])
def test_what_was_made_from_something_else_is_not_taken(changed, model, pixels, tmp_path):
    search_in_shards(model, pixels, tmp_path, BoundarySearch(), shard_size=20)
    before, settings = times(tmp_path), {}
    if changed == "pixels":
        pixels = pixels.flip(0)
    elif changed == "weights":
        nn.init.constant_(model.head.bias, 0.1)
    else:
        settings = {changed: {"norm": "inf", "budget": "fast", "directions": True}[changed]}
    found = search_in_shards(model, pixels, tmp_path, BoundarySearch(**settings), shard_size=20)
    assert len(times(tmp_path)) == 2 * len(before)
    assert torch.equal(found.distance, search_boundary(model, pixels, **settings).distance)


def flipped(whole: bytes) -> bytes:
    """One bit of the last value is another."""
    return whole[:-1] + bytes([whole[-1] ^ 64])


@pytest.mark.parametrize(
    "content", [lambda _: b"", lambda _: b"no shard", lambda whole: whole[:-9], flipped]
)
def test_a_damaged_shard_is_said_and_made_again(content, model, pixels, tmp_path):
    search = BoundarySearch()
    expected = search_in_shards(model, pixels, tmp_path, search, shard_size=20).distance
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(content(whole))
    with pytest.warns(UserWarning, match=f"{path.name} is damaged: what it kept is done again"):
        again = search_in_shards(model, pixels, tmp_path, BoundarySearch(), shard_size=20).distance
    assert torch.equal(again, expected)
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_known_predictions_follow_their_images(model, pixels, tmp_path):
    said = model(pixels / 255).argmax(1)
    known = search_in_shards(
        model, pixels, tmp_path / "a", BoundarySearch(), shard_size=4, predictions=said
    )
    unknown = search_in_shards(model, pixels, tmp_path / "b", BoundarySearch(), shard_size=4)
    assert torch.equal(known.crossed_label, unknown.crossed_label)
    assert bool((known.passes <= unknown.passes).all())


@pytest.mark.parametrize(
    ("side", "batch", "device", "images"),
    [
        (8, 256, "cpu", 4096),
        (48, 100, "cpu", 1804),  # of 44, which is what is asked about together
        (64, 256, "cpu", 1024),
        (64, 300, "cuda", 900),
        (224, 256, "cpu", 80),
        (224, 256, "cuda", 256),
    ],
)
def test_shards_hold_whole_batches_and_fewer_of_larger_images(side, batch, device, images):
    pixels = torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(9000, 1, side, side)
    assert choose_shard_size(pixels, batch, torch.device(device)) == images
    assert images % effective_batch_size(pixels, batch, torch.device(device)) == 0
