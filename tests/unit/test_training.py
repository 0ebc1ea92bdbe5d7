import pytest
import torch
from torch import nn

from backburn.data.augmentation import Augmentation
from backburn.data.sources.digits import digits
from backburn.models.inference import predict
from backburn.models.nets.zoo import build
from backburn.training import Training, TrainingTask, fit

PLAIN = Augmentation(shift=0.0, flip=False)
WHOLE = Training(epochs=3, batch_size=64, learning_rate=0.05, augmentation=PLAIN)


def linear(inputs: int = 16, classes: int = 3) -> nn.Module:
    """A linear classifier whose weights are all alike at the start."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, classes))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    return model


@pytest.fixture
def rows(generator) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.randint(256, (24, 1, 4, 4), generator=generator).to(torch.uint8)
    return pixels, torch.arange(24) % 3


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_small_net_learns_the_digits(generator):
    train, test = digits("train"), digits("test")
    model = build("small_cnn-w8", 10, 1, generator=generator, pixels=train.pixels)
    training = Training(epochs=4, batch_size=32, augmentation=PLAIN)
    losses = fit(model, TrainingTask(train.pixels, train.labels, training), generator)
    assert len(losses) == 4
    assert losses == sorted(losses, reverse=True)
    right = predict(model, test.pixels).argmax(1) == test.labels
    assert right.double().mean() > 0.9


def test_the_same_seed_gives_the_same_weights_to_the_bit(rows):
    def trained(seed):
        generator = torch.Generator().manual_seed(seed)
        model = build("small_cnn-w2", 3, 1, generator=generator)
        fit(model, TrainingTask(*rows, Training(epochs=2, batch_size=8)), generator)
        return weights(model)

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_the_model_is_left_in_evaluation_mode(rows, generator):
    model = linear()
    fit(model, TrainingTask(*rows, WHOLE), generator)
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize(("momentum", "smoothing"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.3)])
def test_the_first_step_is_that_of_nesterovs_gradient_descent(rows, generator, momentum, smoothing):
    model, expected = linear(), linear()
    labels = torch.zeros_like(rows[1])
    training = Training(1, 64, 0.2, momentum, 0.0, label_smoothing=smoothing, augmentation=PLAIN)
    fit(model, TrainingTask(rows[0], labels, training), generator)
    nn.functional.cross_entropy(
        expected(rows[0] / 255), labels, label_smoothing=smoothing
    ).backward()
    # one step in all, half-way up the warm-up
    rate = 0.1 * (1 + momentum)
    by_hand = torch.cat([(p - rate * p.grad).detach().flatten() for p in expected.parameters()])
    assert torch.allclose(weights(model), by_hand, atol=5e-4)
    assert not torch.allclose(weights(model), weights(linear()), atol=5e-3)


def test_every_epoch_takes_every_image_once_in_an_order_of_its_own(generator):
    pixels = torch.arange(24, dtype=torch.uint8)[:, None, None, None].expand(24, 1, 4, 4)
    seen = []

    def note(batch, labels, index):
        seen.extend(batch[:, 0, 0, 0].tolist())
        assert index.tolist() == batch[:, 0, 0, 0].tolist()
        return batch, labels

    training = Training(2, 10, augmentation=PLAIN)
    fit(
        linear(),
        TrainingTask(pixels, torch.arange(24) % 3, training, batch_transform=note),
        generator,
    )
    first, second = seen[:24], seen[24:]
    assert sorted(first) == sorted(second) == list(range(24))
    assert first != second
    assert first != sorted(first)


def test_images_of_weight_zero_do_not_count(rows, generator):
    pixels = torch.cat([rows[0], torch.full_like(rows[0], 255)])
    labels = torch.cat([rows[1], torch.zeros_like(rows[1])])
    weight = (torch.arange(48) < 24).float()
    weighted, alone, unweighted = linear(), linear(), linear()
    fit(weighted, TrainingTask(pixels, labels, WHOLE, weights=weight), generator)
    fit(alone, TrainingTask(*rows, WHOLE), generator)
    fit(unweighted, TrainingTask(pixels, labels, WHOLE), generator)
    assert torch.allclose(weights(weighted), weights(alone), atol=5e-4)
    assert not torch.allclose(weights(unweighted), weights(alone), atol=5e-3)


def test_a_batch_in_which_no_image_counts_does_no_harm(rows, generator):
    model = linear()
    weight = torch.zeros(24)
    weight[0] = 1
    training = Training(1, 2, augmentation=PLAIN)
    fit(model, TrainingTask(*rows, training, weights=weight), generator)
    assert bool(weights(model).isfinite().all())


def test_frozen_parameters_stay_as_they_were(rows, generator):
    model = linear()
    model[1].weight.requires_grad_(False)
    fit(model, TrainingTask(rows[0], torch.zeros_like(rows[1]), WHOLE), generator)
    assert bool((model[1].weight == 0.5).all())
    assert not bool((model[1].bias == 0.5).all())


def test_weight_decay_shrinks_weights_and_spares_biases(generator):
    def trained(decay):
        model = linear()
        black = torch.zeros(6, 1, 4, 4, dtype=torch.uint8)
        training = Training(3, 8, weight_decay=decay)
        fit(model, TrainingTask(black, torch.tensor([0] * 6), training), generator)
        return model[1]

    plain, decayed = trained(0.0), trained(0.1)
    assert bool((plain.weight == 0.5).all()), "black images give the weights no gradient"
    assert bool((decayed.weight < 0.5).all())
    assert torch.equal(decayed.bias, plain.bias)


def test_a_batch_transform_sees_bytes_and_its_labels_are_learnt(rows, generator):
    seen = []

    def brighten(pixels, labels, index):
        seen.append((pixels.dtype, tuple(pixels.shape[1:]), len(pixels), len(labels)))
        return pixels // 2 + 128, torch.full_like(labels, 2)

    model, training = linear(), Training(5, 10, augmentation=PLAIN)
    fit(model, TrainingTask(*rows, training, batch_transform=brighten), generator)
    assert seen == [(torch.uint8, (1, 4, 4), 8, 8)] * 15
    assert bool((predict(model, rows[0]).argmax(1) == 2).all())


def test_weights_are_changed_at_the_end_of_every_epoch(rows, generator):
    seen = []

    def zero_bias(model):
        seen.append((model.training, model[1].bias.clone()))
        nn.init.zeros_(model[1].bias)

    model = linear()
    fit(model, TrainingTask(*rows, Training(3, 8), after_epoch=zero_bias), generator)
    assert [training for training, _ in seen] == [True] * 3
    assert all(bool(bias.any()) for _, bias in seen), "every epoch trains the bias again"
    assert not bool(model[1].bias.any()), "the last epoch's change stays"


def test_the_images_are_not_changed(rows, generator):
    pixels, labels = rows[0].clone(), rows[1].clone()
    fit(linear(), TrainingTask(*rows, Training(2, 8)), generator)
    assert torch.equal(rows[0], pixels)
    assert torch.equal(rows[1], labels)


def test_progress_rises_to_all_images_of_all_epochs(rows, generator):
    told = []
    training = Training(2, 10, augmentation=PLAIN)
    task = TrainingTask(*rows, training, phase="burn")
    fit(linear(), task, generator, progress=lambda *x: told.append(x))
    assert [done for _, done, _ in told] == [8, 16, 24, 32, 40, 48]
    assert {(phase, total) for phase, _, total in told} == {("burn", 48)}


def test_another_objective_is_minimised_and_weighted(rows, generator):
    seen = []

    def small_logits(model, images, labels):
        seen.append((images.dtype, float(images.max()) <= 1, len(labels)))
        return model(images).float().square().mean(1)

    model = linear()
    before = float(predict(model, rows[0]).square().mean())
    fit(
        model,
        TrainingTask(*rows, Training(5, 8, augmentation=PLAIN), objective=small_logits),
        generator,
    )
    assert float(predict(model, rows[0]).square().mean()) < before / 2
    assert seen == [(torch.float32, True, 8)] * 15


def test_adam_learns_too(rows, generator):
    training = Training(60, 8, 0.05, optimizer="adam", weight_decay=0.0, augmentation=PLAIN)
    losses = fit(linear(), TrainingTask(*rows, training), generator)
    assert losses[-1] < losses[0] / 2


def test_frozen_batch_norms_keep_their_statistics_and_others_do_not(rows, generator):
    size = rows[0][0].numel()
    norms = nn.BatchNorm1d(size), nn.BatchNorm1d(size), nn.BatchNorm1d(size, affine=False)
    model = nn.Sequential(nn.Flatten(), *norms, nn.Linear(size, 10))
    model[1].requires_grad_(False)
    fit(model, TrainingTask(*rows, Training(epochs=1, augmentation=PLAIN)), generator)
    assert float(norms[0].running_mean.abs().sum()) == 0
    assert float(norms[1].running_mean.abs().sum()) > 0
    assert float(norms[2].running_mean.abs().sum()) > 0
    assert not any(norm.training for norm in norms)


def test_alternating_flips_mirror_each_image_in_every_second_epoch(rows, generator):
    shown: list[dict[int, torch.Tensor]] = [{}, {}]

    def record(pixels, labels, index):
        epoch = shown[0] if len(shown[0]) < 24 else shown[1]
        epoch.update(zip(index.tolist(), pixels.clone(), strict=True))
        return pixels, labels

    augmentation = Augmentation(0.0, "alternate")
    training = Training(epochs=2, batch_size=8, augmentation=augmentation)
    fit(linear(), TrainingTask(*rows, training, batch_transform=record), generator)
    first, second = (torch.stack([epoch[row] for row in range(24)]) for epoch in shown)
    assert torch.equal(first, second.flip(-1))
    assert not torch.equal(first, rows[0])
