"""Labelled images as parquet in the Hugging Face layout, which `load_images` reads back."""

import io

from ..types import LabeledImages, Progress, silent
from .decoding import encode


def dump_parquet(images: LabeledImages, progress: Progress = silent) -> bytes:
    """Parquet bytes with columns `image` (PNG bytes) and `label`; the pixels are exact."""
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(images.class_names) or [str(k) for k in range(images.class_count)]
    columns = {
        "image": [{"bytes": png, "path": None} for png in encode(images.pixels, progress)],
        "label": images.labels.tolist(),
    }
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    buffer = io.BytesIO()
    # Dataset.to_parquet draws a progress bar on stderr
    pq.write_table(pa.table(columns, schema=features.arrow_schema), buffer)
    return buffer.getvalue()
