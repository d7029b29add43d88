#!/usr/bin/env python
"""Make the outcome of a training run the checkpoint that the package ships.

    inktex evaluate --model runs/base/best --data data/crohme --split dev \
        --output runs/base/dev.json
    python scripts/package_checkpoint.py runs/base --evaluations runs/base/dev.json ...
    python scripts/package_checkpoint.py --stroke-restoration runs/stroke_restoration

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
from inktex.files import write_json
from inktex.modeling.stroke_restoration_inktex import (
    STROKE_RESTORATION_FILE,
    StrokeRestoration,
    find_stroke_restoration,
    save_stroke_restoration,
)
from inktex.onnx.export import update_shipped
from inktex.release.card import model_card, score_table
from inktex.release.export import export
from inktex.training.average import AVERAGE
from inktex.training.recipe_config import SHIPPED
from inktex.training.run_folder import BEST, CURVE, MACHINE, RECIPE
from inktex.training.stroke_restoration import RECORD as RESTORATION_RECORD

PRETRAINED = Path(__file__).resolve().parent.parent / "src" / "inktex" / "pretrained"
RECORD = "training.json"
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
    parser.add_argument("--output", type=Path, default=PRETRAINED)
    options = parser.parse_args(arguments)
    if options.stroke_restoration is not None:
        return exchange_restoration(options.stroke_restoration, options.output)
    if options.run is None or not options.evaluations:
        parser.error("RUN and --evaluations are needed, unless it is --stroke-restoration")
    folder = options.model or options.run / BEST
    try:
        record = training_record(options.run, folder, options.evaluations)
        recognizer = Recognizer.from_pretrained(folder)
        restoration = recognizer.image_processor.stroke_restoration
        record["thinner"] = known_restoration(options.output, restoration) or own_restoration(
            options.run, restoration
        )
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


def exchange_restoration(run: Path, output: Path) -> int:
    """Put the restoration of a run beside a checkpoint; gives the exit status."""
    try:
        path = find_stroke_restoration(run) or run / STROKE_RESTORATION_FILE
        restoration = StrokeRestoration.load(path)
        found = restoration_record(run)
        if found["sha256"] != restoration.checksum:
            raise ValueError(f"{run / RESTORATION_RECORD} is about another file than {path.name}.")
        record = json.loads((output / RECORD).read_text(encoding="utf-8"))
        record["thinner"] = {**found, "commit": _commit()}
        save_stroke_restoration(restoration, output)
        write_record(output, record)
    except (OSError, ValueError, KeyError) as error:
        print(f"package_checkpoint: {error}", file=sys.stderr)
        return 2
    written = output / STROKE_RESTORATION_FILE
    print(f"{written}: {written.stat().st_size / 1e6:.2f} MB")
    return 0


def restoration_record(run: Path) -> dict[str, Any]:
    """How a restoration came about, and the one that its run started from."""
    found, recipe, machine = (
        json.loads((run / name).read_text(encoding="utf-8"))
        for name in (RESTORATION_RECORD, RECIPE, MACHINE)
    )
    init = _start(recipe)
    before = None
    if init is not None and (init / RECORD).is_file():
        before = json.loads((init / RECORD).read_text(encoding="utf-8")).get("thinner")
    elif init is not None:
        before = restoration_record(init.parent)
    return {
        **found,
        "recipe": {**recipe, "init": init.name if init else None},
        "machine": machine,
        "started_from": before,
    }


def own_restoration(run: Path, restoration: StrokeRestoration | None) -> dict[str, Any] | None:
    """The record of the restoration that learnt with a model; None if it is another one.

    Raises:
        ValueError: if nothing is known of a restoration.
    """
    if restoration is None:
        return None
    if (run / RESTORATION_RECORD).is_file():
        found = restoration_record(run)
        if found["sha256"] == restoration.checksum:
            return {**found, "commit": _commit()}
    raise ValueError(
        f"Nothing is known of the model's stroke restoration: neither {run / RESTORATION_RECORD} "
        "nor the record of the output is about it. Put that of its run there first, with "
        "--stroke-restoration."
    )


def _start(recipe: dict[str, Any]) -> Path | None:
    """The folder that a run started from."""
    init = recipe["init"]
    return (PRETRAINED if init == SHIPPED else Path(init)) if init else None


def known_restoration(output: Path, restoration: StrokeRestoration | None) -> dict[str, Any] | None:
    """What the record in a folder says of a restoration; None if it is about another one."""
    if restoration is None or not (output / RECORD).is_file():
        return None
    record = json.loads((output / RECORD).read_text(encoding="utf-8"))
    found: dict[str, Any] | None = record.get("thinner")
    return found if found and found["sha256"] == restoration.checksum else None


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
        content = json.loads(path.read_text(encoding="utf-8"))
        settings = content["settings"]
        if Path(settings["model"]).resolve() != model.resolve():
            raise ValueError(f"{path} is the evaluation of {settings['model']}, not of {model}.")
        scores[path.stem] = {
            **content["scores"],
            "exp_rate_without_normalization": content["scores_without_normalization"]["exp_rate"],
            "preset": settings["preset"],
            "test_set": Path(settings["test_set"]).name,
        }
    averaged = model / AVERAGE
    return {
        **_run_record(run),
        "commit": _commit(),
        "data": "CROHME training ink (CC BY-NC-SA 3.0), its train split alone",
        "weights_licence": "CC BY-NC-SA 3.0, as the data they were trained on",
        "scores": scores,
        "averaged": json.loads(averaged.read_text()) if averaged.is_file() else None,
    }


def _run_record(run: Path) -> dict[str, Any]:
    """How a run went, and those before it."""
    recipe, machine = (
        json.loads((run / name).read_text(encoding="utf-8")) for name in (RECIPE, MACHINE)
    )
    init = _start(recipe)
    return {
        # Where the start lay on this machine says nothing.
        "recipe": {**recipe, "init": init.name if init else None},
        "validations": _validations(run),
        "machine": machine,
        "started_from": _start_record(init) if init else None,
    }


def _start_record(init: Path) -> dict[str, Any]:
    """The record of the checkpoint that a run started from.

    Raises:
        ValueError: if nothing is known of it: the time that a checkpoint took must not be lost.
    """
    if (init / RECORD).is_file():
        known: dict[str, Any] = json.loads((init / RECORD).read_text(encoding="utf-8"))
        return known
    if not (init.parent / RECIPE).is_file():
        raise ValueError(
            f"The run started from {init}, which has no {RECORD}, nor a {RECIPE} of its run "
            "beside it. Put back what is missing: the model card tells the time of all runs."
        )
    return _run_record(init.parent)


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
