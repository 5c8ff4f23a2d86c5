"""Prints the settings of the dataset or of one run, as the --settings of generate_dataset.py or train.py take them.

Run it in the checkout. Examples:

  python scripts/print_settings.py dataset
  python scripts/print_settings.py as_posted/width8/seed1 --configfile config/smoke.yaml
"""

from widthwise.study.command_line import read_study, study_parser
from widthwise.study.plan import canonical_json


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("what", help="dataset, or a run of the study by its name, as in as_posted/width8/seed1")
    arguments = parser.parse_args()
    study = read_study(arguments.configfile)
    runs = {run.name: run for run in study.runs()}
    if arguments.what == "dataset":
        settings = study.dataset
    elif arguments.what in runs:
        run = runs[arguments.what]
        settings = study.run_settings(run.circumstance, run.size, run.seed)
    else:
        parser.error(f"given {arguments.what}; allowed: dataset, or a run of the study, as in {next(iter(runs))}")
    print(canonical_json(settings))


if __name__ == "__main__":
    main()
