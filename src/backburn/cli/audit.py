"""`backburn audit`: verdict and suspects; changes nothing."""

import click

from ..services.case_options import CaseOptions
from . import options
from .main import EXIT_CODES


@click.command("audit", short_help="Was this model backdoored, and by which images?")
@options.case
@options.out
@options.device
@options.cluster
@options.seed
@options.settings
@options.as_json
def command(
    case: CaseOptions,
    out: str | None,
    device: str,
    cluster: options.Cluster,
    seed: int,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Say whether a model was backdoored by its training images, and by which.

    Give MODEL and DATA (the training images), or one folder that attack wrote. MODEL is weights of
    any kind with --arch, a Hugging Face folder, or another toolkit's record; DATA a
    folder, a table, parquet, arrays, tar archives or hf:owner/name. Exit code: 0 clean, 3
    backdoored, 4 suspicious, 5 abstained (and it says why).

    \b
    backburn audit model.pt photos/ --arch torchvision:resnet18
    backburn audit victim/
    """
    from functools import partial

    from ..burn.burn import BURN
    from ..config import configure
    from ..models.inference import best_device
    from ..runs import Stopwatch
    from ..services.audit_repair import audit_case
    from ..services.open_case import open_case
    from ..services.progress_displays import ProgressDisplay
    from ..services.repair_options import WATCHED_DIGESTS
    from ..services.result_tables import case_digests
    from ..services.time_estimate import planned_steps
    from ..services.write_run import add_pictures, write_outcome
    from .connect_cluster import cluster_connection, executor_on
    from .planned_run import plan_job
    from .print_outcome import print_end, print_outcome

    burn, torch_device = configure(BURN(), config, settings), best_device(device)
    job, stopwatch = plan_job("audit", out), Stopwatch()
    with ProgressDisplay(quiet=as_json) as progress, cluster_connection(cluster):
        with stopwatch("read"):
            opened = open_case(case, None, seed, torch_device, progress, burn.fit)
        progress.echo(opened.notes)
        made_of = case_digests(opened, burn)
        progress.plan(planned_steps("audit", opened.case, burn=burn))
        arguments = {
            **opened.record_arguments(case),
            "made_of": {name: made_of[name] for name in WATCHED_DIGESTS},
        }
        with job.running(made_of) as local:
            executor = executor_on(cluster, local)
            outcome = audit_case(
                opened, arguments, burn, seed, stopwatch, progress, executor, every_suspect=False
            )
            record = write_outcome(job.path, outcome)
            progress.finish(partial(print_outcome, outcome))
            record = add_pictures(job.path, record, outcome, progress, executor)
        progress.echo(executor.notes)
    print_end(record, job.path, as_json)
    return EXIT_CODES[outcome.result.verdict.state]
