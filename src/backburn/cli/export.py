"""`backburn export`: the data set without its poison, or the repaired model, for other tools."""

import click

from . import options


@click.command("export", short_help="Write the data set without its poison.")
@click.argument("run")
@click.argument("dest")
@click.option("--data", help="The images that the run looked at.  [default: as the run has them]")
@click.option(
    "--as",
    "layout",
    default="parquet",
    show_default=True,
    type=click.Choice(["parquet", "folder", "csv", "backdoorbench"]),
    help="Images as one file, one folder a class, a CSV beside images; or the repaired model.",
)
@click.option(
    "--suspects",
    "cure",
    default="drop",
    show_default=True,
    type=click.Choice(["drop", "relabel"]),
    help="Leave suspects out, or give them their restored labels.",
)
@options.as_json
def command(run: str, dest: str, data: str | None, layout: str, cure: str, as_json: bool) -> int:
    """Write what came of RUN, an audit or a repair, to the new folder DEST.

    The images that RUN suspects are left out or relabeled; all others are copied as they are, and
    the original is not touched. Suspects that are rightly labeled (clean-label poison) are left
    out either way. With --as backdoorbench, DEST gets the repaired model as defense_result.pt.

    \b
    backburn export fixed cleaned --data photos/
    backburn export fixed cleaned --as folder --suspects relabel
    """
    from pathlib import Path

    from ..report.next_steps import next_steps
    from ..runs import read_record
    from ..services.export import export_images, export_model
    from ..services.terminal_escapes import echo, print_json
    from .output import print_next
    from .planned_run import plan_job

    job, record = plan_job("export", dest, "DEST"), read_record(Path(run))
    with job.running():
        if layout == "backdoorbench":
            written = export_model(Path(run), record, job.path)
        else:
            written = export_images(Path(run), record, job.path, data, layout, cure)
    if as_json:
        print_json({**written, "folder": str(job.path)})
    else:
        echo(", ".join(f"{key} {value}" for key, value in written.items()))
        echo(f"folder: {job.path}")
        print_next(*next_steps(read_record(job.path), str(job.path)))
    return 0
