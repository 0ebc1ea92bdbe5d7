"""The victims of `studies/boundary`, made where they are missing."""

from pathlib import Path

from backburn.attacks.victim_folder import read_victim
from backburn.benchmark.plan import planned_cells
from backburn.benchmark.study_file import load_study
from backburn.benchmark.victims import make_victim
from backburn.models.inference import best_device
from backburn.types import Case, Truth, no_progress

STUDIES = Path("studies/boundary")


def opened(name: str, data: Path, victims: Path) -> tuple[Case, Truth]:
    """A victim's case, and the truth about it."""
    folder, device = victims / name, best_device()
    if not folder.exists():
        make_victim(
            planned_cells(load_study(STUDIES / f"{name}.toml"))[0],
            data,
            folder,
            device,
            no_progress,
        )
    case, truth, _ = read_victim(folder, device, no_progress)
    return case, truth
