"""`backburn audit`: verdict and suspects; changes nothing."""

import click

from ..services.case_options import Given
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
    given: Given,
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
    from ..services.progress import ShowProgress
    from ..services.repair_run import WATCHED
    from ..services.result_tables import case_digests
    from ..services.time_estimate import planned_steps
    from ..services.write_run import add_pictures, write_outcome
    from .cluster import on_cluster, work_on
    from .job import job
    from .outcome import tell, tell_end

    burn, where = configure(BURN(), config, settings), best_device(device)
    planned, watch = job("audit", out), Stopwatch()
    with ShowProgress(quiet=as_json) as progress, on_cluster(cluster):
        with watch("read"):
            opened = open_case(given, None, seed, where, progress, burn.fit)
        progress.say(opened.notes)
        made_of = case_digests(opened, burn)
        progress.plan(planned_steps("audit", opened.case, burn=burn))
        said = {**opened.said(given), "made_of": {name: made_of[name] for name in WATCHED}}
        with planned.going(made_of) as kept:
            work = work_on(cluster, kept)
            doing = (opened, said, burn, seed, watch, progress, work)
            outcome = audit_case(*doing, every_suspect=False)
            record = write_outcome(planned.path, outcome)
            progress.finish(partial(tell, outcome))
            record = add_pictures(planned.path, record, outcome, progress, work)
        progress.say(work.notes)
    tell_end(record, planned.path, as_json)
    return EXIT_CODES[outcome.result.verdict.state]
