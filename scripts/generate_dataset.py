"""Makes one draw of the synthetic dataset: volumes, masks and labelled cubes as HDF5, and a JSON summary.

The summary (content digest, settings, draw, class counts) is what other jobs depend on.
"""

import argparse
import json
import time
from pathlib import Path

import numpy

from widthwise.data.storage import write_dataset
from widthwise.data.volumes import CLASSES, make_dataset
from widthwise.files import atomic_write, write_json
from widthwise.program import start_logging


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--settings", type=json.loads, required=True, help="JSON, as `study.py settings dataset` prints it"
    )
    parser.add_argument("--draw", type=int, required=True, help="the study's seed that this dataset is for")
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file to write: cubes, labels, a volume")
    parser.add_argument("--summary", type=Path, required=True, help="JSON file to write: digest, class counts")
    arguments = parser.parse_args()
    log = start_logging("generate_dataset")

    start = time.perf_counter()
    splits, volume = make_dataset(**arguments.settings, draw=arguments.draw)
    arrays = {"volume/image": volume.image, "volume/mask": volume.mask}
    class_counts = {}
    for split, (images, labels) in splits.items():
        arrays |= {f"{split}/images": images, f"{split}/labels": labels}
        class_counts[split] = numpy.bincount(labels, minlength=CLASSES).tolist()
    with atomic_write(arguments.dataset) as temporary:
        digest = write_dataset(temporary, arrays, arguments.settings | {"draw": arguments.draw})
    write_json(
        arguments.summary,
        {
            "digest": digest,
            "settings": arguments.settings,
            "draw": arguments.draw,
            "class_counts": class_counts,
            "shape": list(splits["train"][0].shape[1:]),
        },
    )
    log.info("dataset %s made in %.1f s: %s", digest[:12], time.perf_counter() - start, class_counts)


if __name__ == "__main__":
    main()
