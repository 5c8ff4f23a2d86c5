"""Imports a user's own cubes: checks the file, and writes it in our layout, with a JSON summary.

`widthwise.data.arrays` says what the file must hold and how images are scaled. It may be larger than memory. The
study's requirements are checked too. The summary (content digest, source, class counts) is what other jobs depend on.
"""

import argparse
import json
import logging
import time
from pathlib import Path

from widthwise.data.arrays import OwnData, read_own_data
from widthwise.data.formats import DataError
from widthwise.data.storage import write_dataset
from widthwise.files import atomic_write, write_json
from widthwise.program import start_logging
from widthwise.study.requirements import missing_data


def log_statistics(log: logging.Logger, path: str, own: OwnData) -> None:
    """Logs what the training images' numbers are, and warns if they should be standardised."""
    found = own.statistics
    numbers = f"mean {found.mean:.4g}, standard deviation {found.standard_deviation:.4g}"
    log.info("%s: training images have %s, least %.4g, greatest %.4g", path, numbers, found.least, found.greatest)
    if own.scaling:
        log.info("%s: uint8 images are standardised by this mean and standard deviation", path)
    elif not found.near_standardised:
        log.warning(
            "%s: warning: training images are far from standardised (%s): subtract the mean and divide by the "
            "standard deviation",
            path,
            numbers,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=json.loads, required=True, help="JSON: path, size, time and SHA-256 of a file")
    parser.add_argument("--requirements", type=json.loads, required=True, help="JSON: what the study needs of its data")
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--summary", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    log = start_logging("import_dataset")

    start = time.perf_counter()
    path = arguments.source["path"]
    own = read_own_data(Path(path))
    missing = missing_data(arguments.requirements, own.class_counts["train"])
    if missing:
        raise DataError("\n".join(f"{path}: training cubes {own.class_counts['train']}: {line}" for line in missing))
    log.info("%s: only train, test and volume are used", path)
    log_statistics(log, path, own)
    with atomic_write(arguments.dataset) as temporary:
        digest = write_dataset(temporary, own.arrays, {"source": path})
    write_json(
        arguments.summary,
        {
            "digest": digest,
            "source": arguments.source,
            "class_counts": own.class_counts,
            "cube_side": own.cube_side,
            "scaling": own.scaling,
        },
    )
    log.info("dataset %s read in %.1f s: %s", digest[:12], time.perf_counter() - start, own.class_counts)


if __name__ == "__main__":
    main()
