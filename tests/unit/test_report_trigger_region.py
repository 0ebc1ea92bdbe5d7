"""Where a trigger is."""

import torch

from backburn.report.trigger_region import region_of


def test_a_patch_is_framed_and_a_change_everywhere_is_not(generator):
    change = torch.full((3, 32, 32), 127, dtype=torch.uint8)
    change[:, 28:31, 27:31] = 255
    assert region_of(change) == (27 / 32, 28 / 32, 4 / 32, 3 / 32)
    noise = torch.randint(256, (3, 32, 32), generator=generator, dtype=torch.uint8)
    assert region_of(noise) is None


def test_faint_changes_around_a_patch_do_not_move_its_frame(generator):
    change = torch.randint(118, 138, (1, 16, 16), generator=generator, dtype=torch.uint8)
    change[:, :2, :2] = 0
    assert region_of(change) == (0, 0, 2 / 16, 2 / 16)
