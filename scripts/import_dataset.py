"""Imports a user's own images: checks them, and writes them in our layout, with a JSON summary.

`widthwise.data.arrays` says what the data must be and how images are scaled. They may be larger than memory. The
study's requirements are checked too. The summary (content digest, source, shape, classes) is what other jobs depend on.
The log goes to standard error, warnings also to standard output.
"""

import argparse
import json
import logging
import time
from pathlib import Path

from widthwise.data.arrays import OwnData, in_channel, read_own_data
from widthwise.data.samples import SourceError
from widthwise.data.storage import write_dataset
from widthwise.files import atomic_write, write_json
from widthwise.program import start_logging
from widthwise.study.requirements import missing_data

MOST_CHANNELS = 8  # in the log


def tell_findings(log: logging.Logger, path: str, own: OwnData) -> None:
    """Logs what was found, and prints the warnings."""
    for note in own.notes:
        log.info("%s: %s", path, note)
        if note.startswith("warning"):
            print(f"{path}: {note}", flush=True)
    found = own.statistics
    for channel in range(len(found.mean))[:MOST_CHANNELS]:
        log.info(
            "%s: training images have mean %.4g, standard deviation %.4g, least %.4g, greatest %.4g%s",
            path,
            found.mean[channel],
            found.standard_deviation[channel],
            found.least[channel],
            found.greatest[channel],
            in_channel(found, channel),
        )
    if own.scaling:
        log.info("%s: images are standardised by the mean and the standard deviation", path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=json.loads, required=True, help="JSON: path and SHA-256 of the data")
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON: channels, standardise and names")
    parser.add_argument("--requirements", type=json.loads, required=True, help="JSON: what the study needs of its data")
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--summary", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    log = start_logging("import_dataset")

    start = time.perf_counter()
    path = arguments.source["path"]
    own = read_own_data(Path(path), **arguments.settings)
    missing = missing_data(arguments.requirements, own.class_counts["train"])
    if missing:
        raise SourceError(
            "\n".join(f"{path}: training samples {own.class_counts['train']}: {line}" for line in missing)
        )
    tell_findings(log, path, own)
    with atomic_write(arguments.dataset) as temporary:
        digest = write_dataset(temporary, own.arrays, {"source": path})
    write_json(
        arguments.summary,
        {
            "digest": digest,
            "source": arguments.source,
            "settings": arguments.settings,
            "shape": own.shape,
            "classes": own.classes,
            "class_counts": own.class_counts,
            "scaling": own.scaling,
            "notes": own.notes,
        },
    )
    log.info("dataset %s read in %.1f s: %s", digest[:12], time.perf_counter() - start, own.class_counts)


if __name__ == "__main__":
    main()
