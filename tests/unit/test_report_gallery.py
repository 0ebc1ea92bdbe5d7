"""What a run keeps of its suspects: ranked, all searched, read back as they were."""

import json
import math
from dataclasses import replace

import pytest
import torch

from backburn.errors import InputError
from backburn.report.boundary_samples import render_perturbation
from backburn.report.gallery import build_gallery, rank_suspects
from backburn.report.gallery_files import gallery_files, read_gallery
from backburn.report.thumbnails import MAX_SIDE, fit_sheets, shrink
from backburn.results import Audit, Evidence, Suspects, Verdict
from backburn.types import BoundaryResult
from handmade import made_gallery


def nothing_searched(count: int) -> BoundaryResult:
    none = torch.zeros(count, dtype=torch.bool)
    return BoundaryResult(none, torch.full((count,), math.inf), torch.full((count,), -1))


@pytest.fixture
def audit(backdoored) -> Audit:
    """The poison is suspected, later rows more; no boundary was searched."""
    images, poison = backdoored.case.images, backdoored.poison
    index = poison.nonzero().flatten()
    score = poison * torch.linspace(0.5, 1, len(images))
    said = (images.labels[index], 1 + torch.arange(len(index)) % 7, torch.ones(len(index)))
    return Audit(
        Suspects(index, *said),
        Evidence(score, poison),
        Verdict("backdoored", (0,), 1e-9),
        nothing_searched(len(images)),
    )


def test_suspects_are_ranked_by_score_and_ties_by_row(audit):
    order = rank_suspects(audit).suspects.index.tolist()
    assert order == sorted(order, reverse=True)
    tied = replace(
        audit, evidence=Evidence(torch.ones(len(audit.boundary)), audit.evidence.flagged)
    )
    assert rank_suspects(tied).suspects.index.tolist() == sorted(order)


def test_the_boundary_of_a_suspect_is_searched_where_it_was_not(backdoored, audit):
    audit = rank_suspects(audit)
    gallery, known = build_gallery(backdoored.case, audit, "fast")
    rows = audit.suspects.index
    assert all(gallery.has_boundary)
    assert bool(known.found[rows].all())
    assert int(known.found.sum()) == len(rows)
    assert [each.row for each in gallery.suspects] == rows.tolist()
    assert [each.restored for each in gallery.suspects] == audit.suspects.restored_label.tolist()
    assert known.distance[rows].tolist() == pytest.approx(
        [each.distance for each in gallery.suspects], abs=1e-4
    )
    assert torch.equal(gallery.image, backdoored.case.images.pixels[rows])
    changed = (gallery.perturbed.float() - gallery.image.float()).square().sum((1, 2, 3)).sqrt()
    assert (changed / 255).tolist() == pytest.approx(known.distance[rows].tolist(), rel=0.15)
    # the lit pixel is what they share, and it goes out
    assert int(gallery.mean_directions[0].flatten().argmin()) == 8 * 12


@pytest.mark.parametrize("side", [8, 2 * MAX_SIDE])
def test_a_case_without_suspects_has_an_empty_gallery(clean, side, tmp_path):
    count = len(clean.case.images)
    pixels = clean.case.images.pixels[:, :, :1, :1].repeat(1, 1, side, side)
    case = replace(clean.case, images=replace(clean.case.images, pixels=pixels))
    none = torch.empty(0, dtype=torch.long)
    result = Audit(
        Suspects(none, none, none, torch.empty(0)),
        Evidence(torch.zeros(count), torch.zeros(count, dtype=torch.bool)),
        Verdict("clean", (), 0.5),
        nothing_searched(count),
    )
    gallery, known = build_gallery(case, rank_suspects(result), "fast")
    assert (gallery.suspects, gallery.mean_directions, gallery.embedding) == ((), {}, {})
    write(tmp_path, gallery_files(gallery))
    assert read_gallery(tmp_path).suspects == ()
    assert torch.equal(known.found, result.boundary.found)


def test_differences_are_gray_where_there_are_none_and_reach_both_ends():
    steps = torch.tensor([0.0, 0.25e-3, 1e-3, -1e-3]).reshape(1, 1, 2, 2)
    assert render_perturbation(steps).flatten().tolist() == [128, 191, 255, 0]
    assert render_perturbation(torch.zeros(1, 1, 2, 2)).unique().tolist() == [128]


def test_large_images_become_thumbnails_and_small_ones_stay():
    large = torch.full((2, 3, 300, 200), 77, dtype=torch.uint8)
    assert shrink(large).shape == (2, 3, MAX_SIDE, 64)
    assert shrink(large).unique().tolist() == [77]
    small = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert shrink(small) is small


def test_sheets_are_lossless_where_they_fit_and_smaller_where_they_must_be():
    noise = torch.randint(256, (250, 3, 48, 48), dtype=torch.uint8)
    roomy = fit_sheets({"image": noise}, 10_000_000)
    assert len(roomy.uris["image"]) == 3
    assert roomy.uris["image"][0].startswith("data:image/png;base64,")
    tight = fit_sheets({"image": noise}, 100_000)
    assert tight.size() <= 100_000
    assert tight.width < 48


def test_a_gallery_is_read_back_as_it_was(tmp_path):
    gallery = made_gallery(12, names=tuple(f"\udcff {k}" for k in range(12)))
    write(tmp_path, gallery_files(gallery))
    back = read_gallery(tmp_path)
    assert back.suspects[0].distance == math.inf  # none was found
    assert [s.image for s in back.suspects] == [s.image for s in gallery.suspects]
    assert back.suspects[1:10] == gallery.suspects[1:10]
    assert torch.equal(back.perturbation, gallery.perturbation)
    assert torch.equal(back.mean_directions[0], gallery.mean_directions[0])
    assert (back.classes, back.has_boundary) == (gallery.classes, gallery.has_boundary)
    assert back.embedding == gallery.embedding


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("change", [
    lambda listed: listed["suspects"][0].update(given=99),
    lambda listed: listed["suspects"][0].update(image=3),
    lambda listed: listed["suspects"].pop(),
    lambda listed: listed.pop("classes"),
    lambda listed: listed["shared"].append(1),
])  # fmt: skip
def test_a_damaged_gallery_is_refused_in_one_line(tmp_path, change):
    files = gallery_files(made_gallery(3))
    listed = json.loads(files["gallery.json"])
    change(listed)
    write(tmp_path, {**files, "gallery.json": json.dumps(listed).encode()})
    with pytest.raises(InputError, match=r"gallery\.json and .* cannot be read") as caught:
        read_gallery(tmp_path)
    assert "\n" not in str(caught.value)


def test_pictures_that_are_none_are_refused(tmp_path):
    write(tmp_path, {**gallery_files(made_gallery(3)), "gallery.safetensors": b"no tensors"})
    with pytest.raises(InputError, match="cannot be read"):
        read_gallery(tmp_path)
