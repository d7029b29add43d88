#!/usr/bin/env python
"""Turn CROHME's files into parquet that trains fast and that `load_dataset` reads.

    python scripts/prepare_crohme.py --data /path/to/crohme --output data/crohme
    python scripts/prepare_crohme.py --data /path/to/crohme --output data/crohme --report

The data folder holds the official zips (`TrainINKML.zip`, `TestEM2014GT.zip`,
`TEST2016_INKML_GT.zip`, `crohme2019.zip`, and the earlier competitions' `TEST2011_INKML_GT.zip`,
`TEST2012_INKML_GT.zip`, `TEST2013_INKML_GT.zip`) or what they unpack to. OUTPUT gets a parquet file
a split and a data set card; with --report also `report.md`, an exploration in tables.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import zipfile
from pathlib import Path

from inktex.data.crohme.files import PARTS
from inktex.extras import require


def main(arguments: list[str] | None = None) -> int:
    """Prepare, and report if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("INKTEX_CROHME"),
        help="folder of the official files; default: the environment variable INKTEX_CROHME",
    )
    parser.add_argument("--output", type=Path, default=Path("data/crohme"), help="folder to write")
    parser.add_argument(
        "--years",
        nargs="+",
        choices=list(PARTS),
        default=["2014", "2016"],
        help="to prepare (default: 2014 and 2016); the test ink of 2011, 2012 and 2013 is what the "
        "recipe crohme trains on besides",
    )
    parser.add_argument("--report", action="store_true", help="write report.md with tables")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if options.data is None:
        parser.error("name the folder of the CROHME files with --data or INKTEX_CROHME")
    try:
        require("train", "Preparing data", "datasets")
        from inktex.data.crohme.export import export

        by_year = export(Path(options.data), options.output, list(dict.fromkeys(options.years)))
        for year, splits in by_year.items():
            counts = ", ".join(f"{split} {count}" for split, count in splits.items())
            print(f"CROHME {year}: {counts}")
        print(f"Written to {options.output}.")
        if options.report:
            report(options.output)
    except (OSError, ValueError, ImportError, zipfile.BadZipFile) as error:
        print(f"prepare_crohme: {error}", file=sys.stderr)
        return 2
    return 0


def report(folder: Path) -> None:
    """Write tables on prepared data.

    Raises:
        FileNotFoundError: if there is no train or no dev split.
    """
    from inktex.data.crohme.report import write_report
    from inktex.training.data import load_expressions

    train, dev = load_expressions(folder, "train"), load_expressions(folder, "dev")
    tests = {path.stem: load_expressions(path) for path in sorted(folder.glob("test*.parquet"))}
    write_report(folder / "report.md", train, dev, tests)
    print(f"The report is {folder / 'report.md'}.")


if __name__ == "__main__":
    sys.exit(main())
