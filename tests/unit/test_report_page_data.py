"""The region of a trigger on the report page."""

import torch

from backburn.report.page_data import find_trigger_region


def test_a_patch_is_framed_and_a_change_everywhere_is_not(generator):
    change = torch.full((3, 32, 32), 127, dtype=torch.uint8)
    change[:, 28:31, 27:31] = 255
    assert find_trigger_region(change) == (27 / 32, 28 / 32, 4 / 32, 3 / 32)
    noise = torch.randint(256, (3, 32, 32), generator=generator, dtype=torch.uint8)
    assert find_trigger_region(noise) is None


def test_faint_changes_around_a_patch_do_not_move_its_frame(generator):
    change = torch.randint(118, 138, (1, 16, 16), generator=generator, dtype=torch.uint8)
    change[:, :2, :2] = 0
    assert find_trigger_region(change) == (0, 0, 2 / 16, 2 / 16)
