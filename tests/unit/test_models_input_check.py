import pytest
import torch
from torch import nn

from backburn.errors import InputError
from backburn.models.input_check import check_fit
from backburn.models.nets.zoo import build
from backburn.types import LabeledImages


@pytest.fixture
def images() -> LabeledImages:
    """Twenty grey images of three classes."""
    pixels = torch.full((20, 3, 8, 8), 128, dtype=torch.uint8)
    return LabeledImages(pixels, torch.arange(20) % 3, ("ant", "bee", "cat"))


def unnamed(images: LabeledImages) -> LabeledImages:
    return LabeledImages(images.pixels, images.labels)


def test_a_model_that_fits_is_left_as_it_was(images):
    model = build("small_cnn-w2", 3, 3).train()
    check_fit(model, images)
    assert model.training


def test_without_class_names_a_model_may_know_more_classes_than_are_seen(images):
    check_fit(build("small_cnn-w2", 5, 3), unnamed(images))


@pytest.mark.parametrize("classes", [2, 4])
def test_another_number_of_classes_than_the_names_is_refused(images, classes):
    with pytest.raises(InputError, match=f"{classes} outputs, but the images have 3 classes"):
        check_fit(build("small_cnn-w2", classes, 3), images)


def test_fewer_outputs_than_labels_are_refused(images):
    with pytest.raises(InputError, match="2 outputs, but the images have 3 classes"):
        check_fit(build("small_cnn-w2", 2, 3), unnamed(images))


def test_images_that_the_model_cannot_take_are_refused_with_their_shape(images):
    with pytest.raises(InputError, match=r"cannot take images of shape \(3, 8, 8\)"):
        check_fit(build("small_cnn-w2", 3, 1), images)


def test_broken_weights_are_refused_by_name(images):
    model = build("small_cnn-w2", 3, 3)
    nn.init.constant_(model.hidden.bias, float("nan"))
    with pytest.raises(InputError, match=r"hidden\.bias"):
        check_fit(model, images)


def test_a_broken_buffer_shows_in_the_logits(images):
    model = build("small_cnn-w2", 3, 3)
    model.bn1.running_var.fill_(float("nan"))
    with pytest.raises(InputError, match="NaN or infinite logits"):
        check_fit(model, images)


def test_what_returns_no_rows_of_logits_is_refused(images):
    with pytest.raises(InputError, match="the model"):
        check_fit(nn.Identity(), images)


def test_a_tuple_is_no_row_of_logits(images):
    class Pair(nn.Module):
        def forward(self, x):
            return x.flatten(1), x.flatten(1)

    with pytest.raises(InputError, match="returns a tuple: give one that"):
        check_fit(Pair(), images)
