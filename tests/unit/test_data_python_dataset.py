"""Any Python data set of pairs."""

import numpy as np
import pytest
import torch
from PIL import Image

from backburn.data.sources.python_dataset import from_dataset
from backburn.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 5), dtype=np.uint8)
LABELS = [0, 1, 2, 1]


@pytest.mark.parametrize(
    "made",
    [
        lambda a: Image.fromarray(a.transpose(1, 2, 0)),
        lambda a: a.transpose(1, 2, 0),
        lambda a: a,
        torch.from_numpy,
        lambda a: torch.from_numpy(a) / 255,
        lambda a: a / 255,
    ],
    ids=["PIL", "hwc", "chw", "uint8 tensor", "float tensor", "float array"],
)
@pytest.mark.parametrize("kind", [int, np.int64, torch.tensor], ids=lambda kind: kind.__name__)
def test_images_and_labels_of_any_kind_are_taken(made, kind):
    read = from_dataset([(made(a), kind(k)) for a, k in zip(PIXELS, LABELS, strict=True)])
    assert np.array_equal(read.pixels, PIXELS)
    assert read.labels.tolist() == LABELS
    assert read.names[:2] == ("row 0", "row 1")


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_gray_images_of_two_axes_have_one_channel(kind):
    read = from_dataset([(kind(PIXELS[k, 0]), k) for k in range(3)])
    assert np.array_equal(read.pixels, PIXELS[:3, :1])


class Folder:
    """As torchvision's ImageFolder: not a sequence, and with names of classes."""

    classes = ("cat", "dog")

    def __len__(self) -> int:
        return 2

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        return Image.fromarray(PIXELS[place].transpose(1, 2, 0)), place


def test_the_data_sets_own_names_of_classes_are_taken():
    read = from_dataset(Folder())
    assert np.array_equal(read.pixels, PIXELS[:2])
    assert read.class_names == ("cat", "dog")


def test_names_that_are_given_come_before_the_data_sets_own(tmp_path):
    pairs = [(a, k) for a, k in zip(PIXELS, LABELS, strict=True)]
    assert from_dataset(pairs, class_names=("a", "b", "c")).class_names == ("a", "b", "c")


def test_a_limit_and_a_size_are_kept_to():
    pairs = [(a, k) for a, k in zip(PIXELS, LABELS, strict=True)]
    assert from_dataset(pairs, limit=2, size=4).pixels.shape == (2, 3, 4, 4)


def test_items_that_are_no_images_are_skipped_and_named():
    pairs = [(PIXELS[0], 0), ("cat.png", 1), (None, 1), (PIXELS[1] / 100, 1), (PIXELS[2], 1)]
    read = from_dataset(pairs)
    assert read.names == ("row 0", "row 4")
    assert [entry.partition(":")[0] for entry in read.skipped] == ["row 1", "row 2", "row 3"]


@pytest.mark.parametrize("label", [-1, 1.0, "cat", None, 10**9, torch.tensor([0, 1])])
def test_labels_that_are_no_class_numbers_are_refused(label):
    with pytest.raises(InputError, match="of row 1 in list is out of range"):
        from_dataset([(PIXELS[0], 0), (PIXELS[1], label)])


@pytest.mark.parametrize("item", [PIXELS[0], {"image": PIXELS[0]}, (PIXELS[0], 0, 1)])
def test_items_that_are_no_pairs_are_refused(item):
    with pytest.raises(InputError, match=r"item 0 of list .*(give pairs|needs image)"):
        from_dataset([item])


@pytest.mark.parametrize("dataset", [iter([]), 5, {1, 2}])
def test_what_has_no_length_or_items_is_refused(dataset):
    with pytest.raises(InputError, match="has no length or no items"):
        from_dataset(dataset)


@pytest.mark.parametrize("pairs", [[], [(PIXELS[0], 0), (PIXELS[1], 0)]])
def test_less_than_two_classes_are_refused(pairs):
    with pytest.raises(InputError, match=r"list.*(no images|one class)"):
        from_dataset(pairs)
