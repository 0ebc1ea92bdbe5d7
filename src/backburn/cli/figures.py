"""`backburn figures`: the figures of BURN's paper for one case."""

import click

from ..services.case_options import CaseOptions
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
    case: CaseOptions,
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
    from ..report.figure_data import compute_figure_data
    from ..report.next_steps import next_steps
    from ..report.paper_figures import figure_files
    from ..runs import Stopwatch, new_record, write_run
    from ..services.open_case import open_case
    from ..services.progress_displays import ProgressDisplay
    from ..services.result_tables import case_digests
    from ..services.terminal_escapes import echo, print_json
    from .output import print_next
    from .planned_run import plan_job

    burn, torch_device = configure(BURN(), config, settings), best_device(device)
    job, stopwatch = plan_job("figures", out), Stopwatch()
    with ProgressDisplay(quiet=as_json) as progress:
        with stopwatch("read"):
            opened = open_case(case, None, seed, torch_device, progress, burn.fit)
        progress.echo(opened.notes)
        with job.running(case_digests(opened, burn)) as executor:
            generator = torch.Generator().manual_seed(seed)
            with stopwatch("repair"):
                repaired = burn.repair(opened.case, generator, progress, executor, fit=opened.fit)
            with stopwatch("figures"):
                figure_data = compute_figure_data(
                    opened.case,
                    repaired.evidence,
                    opened.truth,
                    each,
                    burn.detector.budget,
                    generator,
                    progress,
                    executor,
                )
                class_names = opened.case.images.class_names
                files = figure_files(figure_data, repaired.history, class_names)
            metrics = {"verdict": repaired.verdict, "auroc": figure_data.aurocs()}
            arguments = {**opened.record_arguments(case), "each": each}
            record = new_record(
                "figures", arguments, seed, stopwatch.seconds, metrics, str(torch_device)
            )
            write_run(job.path, record, {"config.toml": to_toml(burn), **files})
    if as_json:
        print_json({**metrics, "run": str(job.path)})
    else:
        echo("\n".join(sorted(name for name in files if name.endswith(".png"))))
        echo(f"run: {job.path}")
        print_next(*next_steps(record, str(job.path)))
    return 0
