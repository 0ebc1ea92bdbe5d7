"""`backburn figures`: the figures of BURN's paper for one case."""

import click

from ..services.case_options import Given
from . import options


@click.command("figures", short_help="Draw distances, labels, features and rounds.")
@options.case
@options.out
@click.option(
    "--each",
    default=300,
    show_default=True,
    type=click.IntRange(1),
    help="Images of each kind and class, at the most.",
)
@options.device
@options.seed
@options.settings
@options.as_json
def command(
    given: Given,
    out: str | None,
    each: int,
    device: str,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Audit and repair a case, and draw what there is to see, as PNG and SVG with CSV beside.

    Boundary distances, labels behind the boundary, features of the images and of the perturbed
    images, suspects and discrepancy over the rounds; and of every statistic, how well it tells
    poison (of a case without the truth: suspects) from other images of its class.

    \b
    backburn figures victim/ --out figures --set refinement.rounds=3
    """
    import torch

    from ..burn.burn import BURN
    from ..config import configure, to_toml
    from ..models.inference import best_device
    from ..report.figure_data import portray
    from ..report.figures import figure_files
    from ..report.next_steps import next_steps
    from ..runs import Stopwatch, new_record, write_run
    from ..services.open_case import open_case
    from ..services.progress import ShowProgress
    from ..services.result_tables import case_digests
    from ..services.terminal import print_json, say
    from .job import job
    from .output import print_next

    burn, where = configure(BURN(), config, settings), best_device(device)
    planned, watch = job("figures", out), Stopwatch()
    with ShowProgress(quiet=as_json) as progress:
        with watch("read"):
            opened = open_case(given, None, seed, where, progress, burn.fit)
        progress.say(opened.notes)
        with planned.going(case_digests(opened, burn)) as work:
            generator = torch.Generator().manual_seed(seed)
            with watch("repair"):
                repaired = burn.repair(opened.case, generator, progress, work, fit=opened.fit)
            with watch("figures"):
                case, truth, budget = opened.case, opened.truth, burn.detector.budget
                drawing = (each, budget, generator, progress, work)
                shown = portray(case, repaired.evidence, truth, *drawing)
                drawn = figure_files(shown, repaired.history, case.images.class_names)
            measured = {"verdict": repaired.verdict, "auroc": shown.aurocs()}
            said = {**opened.said(given), "each": each}
            record = new_record("figures", said, seed, watch.seconds, measured, str(where))
            write_run(planned.path, record, {"config.toml": to_toml(burn), **drawn})
    if as_json:
        print_json({**measured, "run": str(planned.path)})
    else:
        say("\n".join(sorted(name for name in drawn if name.endswith(".png"))))
        say(f"run: {planned.path}")
        print_next(*next_steps(record, str(planned.path)))
    return 0
