#!/usr/bin/env python
"""Make the outcome of a training run the checkpoint that the package ships.

    inktex evaluate --model runs/base/best --data data/crohme --split dev \
        --output runs/base/dev.json
    python scripts/package_checkpoint.py runs/base --evaluations runs/base/dev.json ...
    python scripts/package_checkpoint.py --stroke-restoration runs/stroke_restoration
    python scripts/package_checkpoint.py --ink-extraction runs/ink_extraction

Writes weights, configuration, processor, tokenizer and code to src/inktex/pretrained, and beside
them `training.json` (the recipe, the commit, the data and the scores of the evaluations, as
`inktex evaluate` measured them) and the model card, `README.md`, made from it; and to
src/inktex/onnx/shipped the ONNX graphs for models of its architecture, without weights, which needs
`pip install 'inktex[export]'`.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from inktex import Recognizer
from inktex.alphabet import ALPHABET
from inktex.files import read_json, write_json
from inktex.modeling.ink_extraction_inktex import INK_EXTRACTION_FILE, InkExtraction
from inktex.modeling.stroke_restoration_inktex import STROKE_RESTORATION_FILE, StrokeRestoration
from inktex.onnx.export import update_shipped
from inktex.release.card import model_card, score_table
from inktex.release.export import export
from inktex.release.sources import training_data
from inktex.training.average import AVERAGE
from inktex.training.ink_extraction import RECORD as EXTRACTION_RECORD
from inktex.training.recipe_fields import SHIPPED
from inktex.training.run_folder import BEST, CURVE, MACHINE, RECIPE
from inktex.training.stroke_restoration import RECORD as RESTORATION_RECORD

PRETRAINED = Path(__file__).resolve().parent.parent / "src" / "inktex" / "pretrained"
RECORD = "training.json"
NETWORKS: dict[str, tuple[str, type[StrokeRestoration] | type[InkExtraction], str, str]] = {
    "stroke_restoration": (
        "thinner", StrokeRestoration, STROKE_RESTORATION_FILE, RESTORATION_RECORD,
    ),
    "ink_extraction": ("ink_extraction", InkExtraction, INK_EXTRACTION_FILE, EXTRACTION_RECORD),
}  # fmt: skip
"""Of the image processor: entry in `training.json`, class, file, and file of a run's record."""
LIMIT = 15_000_000
"""Bytes of weights that may be committed."""


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and write the folder; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?", help="output folder of inktex train")
    parser.add_argument("--model", type=Path, help=f"the model (default: RUN/{BEST})")
    parser.add_argument("--evaluations", type=Path, nargs="+", default=[], metavar="JSON")
    parser.add_argument(
        "--stroke-restoration",
        type=Path,
        metavar="RUN",
        help="only exchange the image processor's restoration for that of a run",
    )
    parser.add_argument(
        "--ink-extraction",
        type=Path,
        metavar="RUN",
        help="only exchange the image processor's ink extraction for that of a run",
    )
    parser.add_argument("--output", type=Path, default=PRETRAINED)
    options = parser.parse_args(arguments)
    for name in NETWORKS:
        if getattr(options, name) is not None:
            return exchange_network(name, getattr(options, name), options.output)
    if options.run is None or not options.evaluations:
        parser.error("RUN and --evaluations are needed, unless a network is exchanged")
    folder = options.model or options.run / BEST
    try:
        record = training_record(options.run, folder, options.evaluations)
        recognizer = Recognizer.from_pretrained(folder)
        for name, (entry, *_) in NETWORKS.items():
            network = getattr(recognizer.image_processor, name)
            record[entry] = known_network(name, options.output, network)
        record["parameters"] = recognizer.model.num_parameters()
        export(recognizer.model, options.output, recognizer.processor)
        if (folder / ALPHABET).is_file():
            shutil.copyfile(folder / ALPHABET, options.output / ALPHABET)
        if options.output == PRETRAINED:
            update_shipped(options.output)
    except (OSError, ValueError, KeyError, ImportError) as error:
        print(f"package_checkpoint: {error}", file=sys.stderr)
        return 2
    weights = options.output / "model.safetensors"
    record["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    write_record(options.output, record)
    size = weights.stat().st_size
    print(f"{options.output}: {size / 1e6:.1f} MB of weights")
    print(score_table(record["scores"]))
    return 0 if size < LIMIT else 1


def exchange_network(name: str, run: Path, output: Path) -> int:
    """Put one of the `NETWORKS` of a run beside a checkpoint; gives the exit status."""
    entry, kind, file, record_file = NETWORKS[name]
    try:
        network = kind.load(run / file)
        found = network_record(name, run)
        if found["sha256"] != network.checksum:
            raise ValueError(f"{run / record_file} is about another file than {file}.")
        record = read_json(output / RECORD)
        record[entry] = {**found, "commit": _commit()}
        network.save(output / file)
        write_record(output, record)
    except (OSError, ValueError, KeyError) as error:
        print(f"package_checkpoint: {error}", file=sys.stderr)
        return 2
    print(f"{output / file}: {(output / file).stat().st_size / 1e6:.2f} MB")
    return 0


def _about(run: Path) -> tuple[dict[str, Any], Path | None]:
    """Recipe and machine of a run, and the folder of the weights that it started from."""
    recipe, machine = read_json(run / RECIPE), read_json(run / MACHINE)
    start = recipe["init"]
    init = (PRETRAINED if start == SHIPPED else Path(start)) if start else None
    # Where the start lay on this machine says nothing.
    return {"recipe": {**recipe, "init": init.name if init else None}, "machine": machine}, init


def network_record(name: str, run: Path) -> dict[str, Any]:
    """How a network came about, and the one that its run started from."""
    entry, _, _, record_file = NETWORKS[name]
    about, init = _about(run)
    before = None
    if init is not None and (init / RECORD).is_file():
        before = read_json(init / RECORD).get(entry)
    elif init is not None:
        before = network_record(name, init.parent)
    return {**read_json(run / record_file), **about, "started_from": before}


def known_network(
    name: str, output: Path, network: StrokeRestoration | InkExtraction | None
) -> dict[str, Any] | None:
    """What the record in a folder says of a network; None if there is none.

    Raises:
        ValueError: if it is about another one.
    """
    if network is None:
        return None
    record = read_json(output / RECORD) if (output / RECORD).is_file() else {}
    found: dict[str, Any] = record.get(NETWORKS[name][0]) or {}
    if found.get("sha256") != network.checksum:
        option = name.replace("_", "-")
        raise ValueError(
            f"The record in {output} is not about the model's {name.replace('_', ' ')}. Put that "
            f"of its run there first, with --{option}."
        )
    return found


def write_record(output: Path, record: dict[str, Any]) -> None:
    """Write `training.json`, and the model card made from it."""
    write_json(output / RECORD, record)
    (output / "README.md").write_text(model_card(record), encoding="utf-8")


def training_record(run: Path, model: Path, evaluations: list[Path]) -> dict[str, Any]:
    """What a user wants to know of how a checkpoint came about.

    Raises:
        ValueError: if an evaluation is of another model, or it is not known where the run started.
        OSError: if a file is missing.
    """
    scores = {}
    for path in evaluations:
        content = read_json(path)
        settings = content["settings"]
        if Path(settings["model"]).resolve() != model.resolve():
            raise ValueError(f"{path} is the evaluation of {settings['model']}, not of {model}.")
        scores[path.stem] = {
            **content["scores"],
            "exp_rate_without_normalization": content["scores_without_normalization"]["exp_rate"],
            "preset": settings["preset"],
            "alphabet": settings["alphabet"],
            "test_set": Path(settings["test_set"]).name,
        }
    averaged = model / AVERAGE
    return {
        **_run_record(run),
        "commit": _commit(),
        "data": training_data(read_json(run / RECIPE)),
        "weights_licence": "CC BY-NC-SA 3.0, as the data they were trained on",
        "scores": scores,
        "averaged": json.loads(averaged.read_text()) if averaged.is_file() else None,
    }


def _run_record(run: Path) -> dict[str, Any]:
    """How a run went, and those before it.

    Raises:
        ValueError: if nothing is known of the checkpoint that a run started from: the time that it
            took must not be lost.
    """
    about, init = _about(run)
    before = None
    if init is not None and (init / RECORD).is_file():
        before = read_json(init / RECORD)
    elif init is not None and (init.parent / RECIPE).is_file():
        before = _run_record(init.parent)
    elif init is not None:
        raise ValueError(
            f"The run started from {init}, which has no {RECORD}, nor a {RECIPE} of its run "
            "beside it. Put back what is missing: the model card tells the time of all runs."
        )
    return {**about, "validations": _validations(run), "started_from": before}


def _validations(run: Path) -> list[dict[str, Any]]:
    """What a run measured as it went."""
    curve = [json.loads(line) for line in (run / CURVE).read_text(encoding="utf-8").splitlines()]
    kept = ("step", "epoch", "minutes", "expressions", "exp_rate")
    return [{key: entry[key] for key in kept} for entry in curve if "exp_rate" in entry]


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=PRETRAINED.parents[2]
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
