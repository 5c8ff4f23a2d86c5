"""Takes a user's own cubes in: checks the file, and writes them in our layout, with the small summary beside it.

Reads HDF5 or .npz in pieces, so that it may be larger than memory; `widthwise.data.arrays` says what is allowed and how
images are scaled. What the study asks of its data is checked too, before anything is trained, but decides nothing of
what is written. The summary (content digest, source, class counts) is what other jobs depend on.
"""

import argparse
import json
import time
from pathlib import Path

from widthwise.data.arrays import DataError, read_own_data
from widthwise.data.storage import write_dataset
from widthwise.files import write_json, written_aside
from widthwise.program import start_logging
from widthwise.study.requirements import unmet_demands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=json.loads, required=True, help="the file: path, size, time, SHA-256, as JSON")
    parser.add_argument("--asked", type=json.loads, required=True, help="what the study asks of its data, as JSON")
    parser.add_argument("--dataset", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--summary", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    log = start_logging("import_dataset")

    start = time.perf_counter()
    path = arguments.source["path"]
    own = read_own_data(Path(path))
    unmet = unmet_demands(arguments.asked, own.class_counts["train"])
    if unmet:
        counts = ", ".join(map(str, own.class_counts["train"]))
        raise DataError("\n".join(f"{path}: training cubes ({counts} of the classes): {line}" for line in unmet))
    log.info("%s: train and test are used, and nothing else that the file may hold, such as val", path)
    with written_aside(arguments.dataset) as aside:
        digest = write_dataset(aside, own.arrays, {"source": path})
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
