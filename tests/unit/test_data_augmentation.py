import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backburn.data.augmentation import Augmentation, alternating_flips


def noise(*shape: int) -> torch.Tensor:
    made = torch.randint(256, shape, generator=torch.Generator().manual_seed(1))
    return made.to(torch.uint8)


def windows(image: np.ndarray, reach: int) -> dict[bytes, tuple[int, int]]:
    """Every shift of a `(c, h, w)` image with reflected borders."""
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    return {
        np.ascontiguousarray(padded[:, y : y + height, x : x + width]).tobytes(): (y, x)
        for y in range(2 * reach + 1)
        for x in range(2 * reach + 1)
    }


SIDES = st.integers(1, 9)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(0, 4), st.sampled_from([1, 3]), SIDES, SIDES),
    st.floats(0, 1, exclude_max=True),
    st.booleans(),
    st.integers(0, 99),
)
def test_every_image_is_a_window_of_itself_mirrored_or_not(shape, shift, flip, seed):
    pixels = noise(*shape)
    out = Augmentation(shift, flip)(pixels, torch.Generator().manual_seed(seed))
    assert (out.shape, out.dtype) == (shape, torch.uint8)
    reach = min(round(shift * min(shape[2:])), min(shape[2:]) - 1)
    for before, after in zip(pixels.numpy(), out.numpy(), strict=True):
        allowed = windows(before, reach)
        mirrored = flip and np.ascontiguousarray(after[..., ::-1]).tobytes() in allowed
        assert mirrored or np.ascontiguousarray(after).tobytes() in allowed


def test_the_generator_decides_everything():
    pixels = noise(32, 3, 8, 8)
    draws = [
        Augmentation(flip=True)(pixels, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(0.0, True)], ids=str)
def test_the_input_is_not_touched(augmentation, generator):
    pixels = noise(32, 3, 8, 8)
    before = pixels.clone()
    augmentation(pixels, generator)
    assert torch.equal(pixels, before)


def test_no_shift_and_no_flip_is_a_plain_copy(generator):
    pixels = noise(8, 3, 8, 8)
    out = Augmentation(0.0, False)(pixels, generator)
    assert torch.equal(out, pixels)
    out.fill_(0)
    assert pixels.max() > 0


def test_an_image_is_mirrored_or_not_and_each_may_be_either(generator):
    pixels = noise(8, 3, 6, 5)
    mirrored = []
    for _ in range(20):
        out = Augmentation(0.0, True)(pixels, generator)
        as_it_was = (out == pixels).flatten(1).all(1)
        turned = (out == torch.from_numpy(pixels.numpy()[..., ::-1].copy())).flatten(1).all(1)
        assert bool((as_it_was ^ turned).all())
        mirrored.append(turned)
    share = torch.stack(mirrored).double().mean(0)
    assert bool(((share > 0.1) & (share < 0.9)).all())


def test_shifts_are_windows_of_the_reflected_image_and_all_occur(generator):
    image = noise(3, 7, 5)
    allowed = windows(image.numpy(), 2)
    assert len(allowed) == 25
    # four tenths of the shorter side are 2 pixels
    out = Augmentation(0.4)(image.expand(600, 3, 7, 5), generator)
    found = {allowed[np.ascontiguousarray(row).tobytes()] for row in out.numpy()}
    assert found == set(allowed.values())


def test_all_byte_values_survive_a_shift(generator):
    image = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    out = Augmentation(0.2)(image.expand(40, 1, 16, 16), generator)
    allowed = windows(image.numpy(), 3)
    assert all(np.ascontiguousarray(row).tobytes() in allowed for row in out.numpy())


def test_a_shift_as_large_as_the_image_is_cut_to_what_reflection_allows(generator):
    image = noise(1, 3, 4)
    out = Augmentation(0.99)(image.expand(50, 1, 3, 4), generator)
    allowed = windows(image.numpy(), 2)
    assert all(np.ascontiguousarray(row).tobytes() in allowed for row in out.numpy())


def test_alternating_flips_show_every_image_and_its_mirror_image_in_turn():
    rows = torch.arange(10_000)
    first, second, third = (alternating_flips(rows, epoch) for epoch in range(3))
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert abs(float(first.double().mean()) - 0.5) < 0.02
    neighbours = first[1:] == first[:-1]
    assert abs(float(neighbours.double().mean()) - 0.5) < 0.02


def test_given_flips_are_made_and_no_others(generator):
    pixels, mirrored = noise(4, 3, 6, 5), torch.tensor([True, False, False, True])
    out = Augmentation(0.0, "alternate")(pixels, generator, mirrored)
    assert torch.equal(out[mirrored], pixels[mirrored].flip(-1))
    assert torch.equal(out[~mirrored], pixels[~mirrored])
