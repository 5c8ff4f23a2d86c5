"""Makes the synthetic dataset: volumes, masks and labelled cubes, as HDF5, with a small summary beside it.

The summary (content digest, settings, class counts) is what other jobs depend on: it changes exactly when the
data does.
"""

import argparse
import json
import time
from pathlib import Path

import numpy

from widthwise.data.storage import write_dataset
from widthwise.data.volumes import CLASSES, make_dataset
from widthwise.files import write_json, written_aside
from widthwise.program import start_logging


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--settings", type=json.loads, required=True, help="JSON, as `print_settings.py dataset` prints it"
    )
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file to write: cubes, labels, a volume")
    parser.add_argument(
        "--summary", type=Path, required=True, help="JSON file to write: digest, settings, class counts"
    )
    arguments = parser.parse_args()
    log = start_logging("generate_dataset")

    start = time.perf_counter()
    splits, volume = make_dataset(**arguments.settings)
    arrays = {"volume/image": volume.image, "volume/mask": volume.mask}
    class_counts = {}
    for split, (images, labels) in splits.items():
        arrays |= {f"{split}/images": images, f"{split}/labels": labels}
        class_counts[split] = numpy.bincount(labels, minlength=CLASSES).tolist()
    with written_aside(arguments.dataset) as aside:
        digest = write_dataset(aside, arrays, arguments.settings)
    write_json(
        arguments.summary,
        {
            "digest": digest,
            "settings": arguments.settings,
            "class_counts": class_counts,
            "cube_side": arguments.settings["cube_side"],
        },
    )
    log.info("dataset %s made in %.1f s: %s", digest[:12], time.perf_counter() - start, class_counts)


if __name__ == "__main__":
    main()
