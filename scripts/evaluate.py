#!/usr/bin/env python
r"""Score a model on a test set.

    # the official pictures, by the protocol of the published papers
    python scripts/evaluate.py --pictures offline_2014.zip --captions captions_2014.tsv
    # a split of the prepared data, drawn from its ink
    python scripts/evaluate.py --data data/crohme --split dev --model runs/base/best
    # the same in four other hands, as far as variation makes other hands of those that there are
    python scripts/evaluate.py --data data/crohme --split dev --unseen --varied 4
    # in hands as strange as those of the tests are to a model, read at another resolution
    python scripts/evaluate.py --data data/crohme --split dev --unseen --varied 4 \
        --strength 1.3 --resolution 0.8
    # any folder of pictures with a captions file (name, TAB, tokens)
    python scripts/evaluate.py --pictures FOLDER --captions captions.tsv --output out.json \
        --preset accurate

    # the same expressions as photos, in other sizes, with other pens (needs inktex[camera])
    python scripts/evaluate.py --data data/crohme --camera --limit 100 --sheet build/camera.png

Prints a table; --output also writes every reading and the scores as JSON, --report a page with
plots. Every expression counts.
"""

import argparse
import platform
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inktex import Recognizer, __version__, load
from inktex.arguments import natural, positive
from inktex.evaluation.reading import (
    Sample,
    compiles,
    evaluate_samples,
    picture_samples,
    spread,
    write_json,
)
from inktex.evaluation.scores import Scores
from inktex.extras import require
from inktex.recognizer import AUTO, ENGINES, AutoRecognizer, BaseRecognizer


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, score, print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder or Hub repository (default: the shipped model)")
    parser.add_argument("--pictures", type=Path, help="folder or zip of pictures")
    parser.add_argument(
        "--captions",
        type=Path,
        help="their captions: the published ones (name, TAB, tokens), or a "
        "csv, tsv or jsonl file as fine-tuning takes it",
    )
    parser.add_argument("--data", type=Path, help="folder of scripts/prepare_crohme.py")
    parser.add_argument("--split", default="dev", help="split of --data (default: dev)")
    parser.add_argument(
        "--unseen",
        action="store_true",
        help="of --data only the expressions whose caption is not in its train split",
    )
    parser.add_argument(
        "--varied",
        type=natural,
        metavar="N",
        help="of --data every expression N times, each symbol varied as other hands might write it",
    )
    parser.add_argument(
        "--strength",
        type=float,
        help="with --varied: how far those hands differ (default: 1; at 1.3 they are about as hard "
        "to read as those of the tests)",
    )
    parser.add_argument(
        "--resolution", type=float, help="to read at instead of the model's (1: as published)"
    )
    parser.add_argument("--preset", default="fast", help="fast (greedy) or accurate")
    parser.add_argument(
        "--engine",
        choices=(AUTO, *ENGINES),
        default=AUTO,
        help="what reads (default: auto, which is onnx where that can, and torch elsewhere)",
    )
    parser.add_argument(
        "--alphabet",
        metavar="NAME",
        help="which symbols may be read: all (the default), crohme, school, or a file of tokens",
    )
    parser.add_argument("--device", default="cpu", help="where torch computes (default: cpu)")
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=64,
        help="pictures that are taken at a time (default 64)",
    )
    parser.add_argument(
        "--limit", type=positive, help="only so many expressions, spread over the set (for a try)"
    )
    parser.add_argument(
        "--camera",
        nargs="*",
        metavar="CONDITION",
        help="read them under other conditions too, beside the clean ones: all, or those whose "
        "names have one of these words in them",
    )
    parser.add_argument("--sheet", type=Path, help="with --camera: PNG with some of the pictures")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, help="folder to write a report with plots to")
    options = parser.parse_args(arguments)
    try:
        if options.report:
            require("train", "--report", "matplotlib")
        if options.strength is not None and options.varied is None:
            raise ValueError("--strength says how far --varied varies: give that, too.")
        samples = load_samples(options)
        if options.limit is not None:
            samples = spread(samples, options.limit)
        recognizer = load(options.model, options.device, options.engine, alphabet=options.alphabet)
        recognizer.check(options.preset)
        if options.resolution is not None:
            if not 0.2 <= options.resolution <= 4:
                raise ValueError(f"A resolution of {options.resolution} is not between 0.2 and 4.")
            processor = recognizer.image_processor
            processor.settings = replace(processor.settings, resolution=options.resolution)
        if options.camera is not None:
            return camera(recognizer, samples, options)
        result = evaluate_samples(recognizer, samples, options.preset, options.batch_size)
    except (ValueError, OSError, ImportError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    settings: dict[str, Any] = {
        "inktex": __version__,
        "model": options.model or "shipped",
        "test_set": name_of_test_set(options),
        "preset": options.preset,
        "engine": options.engine,
        "alphabet": options.alphabet or "all",
        "resolution": recognizer.image_processor.settings.resolution,
        "machine": platform.processor() or platform.machine(),
    }
    if isinstance(recognizer, Recognizer | AutoRecognizer):
        settings["parameters"] = recognizer.model.num_parameters()
    print(table([("normalised spelling", result.scores), ("as it is", result.plain_scores)]))
    print(
        f"{settings['test_set']}: {len(samples)} expressions, {len(result.errors)} unreadable, "
        f"preset {options.preset}, engine {options.engine}, "
        f"{result.seconds / len(samples) * 1000:.1f} ms an expression."
    )
    for name, message in result.errors.items():
        print(f"  {name}: {message}")
    calibration = result.calibration
    print(
        f"Expected calibration error {calibration.error:.3f}, AUROC of error detection "
        f"{calibration.auroc:.3f}."
    )
    if find_spec("pylatexenc") is not None:
        broken = [one.latex for one in result.readings if not compiles(one.latex)]
        print(f"{len(samples) - len(broken)} of {len(samples)} readings are LaTeX that compiles.")
        for latex in broken:
            print(f"  does not: {latex}")
    if options.report:
        from inktex.evaluation.report import write_evaluation_report

        title = f"{settings['test_set']}, {settings['model']}, preset {options.preset}"
        print(f"Report: {write_evaluation_report(result, samples, options.report, title)}")
    if options.output:
        write_json(options.output, {"settings": settings, **result.as_dict()})
    return 0


def camera(recognizer: BaseRecognizer, samples: list[Sample], options: argparse.Namespace) -> int:
    """Print what each condition costs; gives the exit status.

    Raises:
        ValueError: if no condition has such a name, or Augraphy is needed and not installed.
    """
    from inktex.evaluation.conditions import CONDITIONS, contact_sheet, evaluate_conditions

    first, *others = CONDITIONS
    chosen = [
        name
        for name in others
        if not options.camera or any(word in name for word in options.camera)
    ]
    if not chosen:
        raise ValueError(f"No condition is named so. There are: {'; '.join(others)}.")
    conditions = [first, *chosen]
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(recognizer, samples, conditions).save(options.sheet)
        print(f"Written: {options.sheet}")
    print("| condition | ExpRate | less than clean | <=1 | token error rate | rejected |")
    print("|---|---|---|---|---|---|", flush=True)
    clean = 0.0
    records: dict[str, Any] = {}
    for name, result in evaluate_conditions(
        recognizer, samples, conditions, options.preset, options.batch_size
    ):
        scores = result.scores
        clean = scores.exp_rate if name == first else clean
        rates = (
            scores.exp_rate, clean - scores.exp_rate, scores.exp_rate_1, scores.token_error_rate
        )  # fmt: skip
        row = " | ".join(f"{100 * rate:.2f}" for rate in rates)
        print(f"| {name} | {row} | {len(result.errors)} |", flush=True)
        records[name] = result.as_dict()
    print(f"{len(samples)} expressions, preset {options.preset}.")
    if options.output:
        write_json(options.output, {"model": options.model or "shipped", "conditions": records})
    return 0


def load_samples(options: argparse.Namespace) -> list[Sample]:
    """The test set that the command line names.

    Raises:
        ValueError: if it names none, or two.
    """
    if (options.pictures is None) == (options.data is None):
        raise ValueError("Name either --pictures with --captions, or --data.")
    if options.pictures is not None:
        if options.captions is None:
            raise ValueError("--pictures needs --captions to score against.")
        return picture_samples(options.pictures, options.captions)
    from PIL import Image

    from inktex.evaluation.hands import in_other_hands
    from inktex.ink.render import render
    from inktex.training.data import load_expressions, load_unseen

    load_them = load_unseen if options.unseen else load_expressions
    expressions = load_them(options.data, options.split)
    if options.varied is not None:
        strength = 1.0 if options.strength is None else options.strength
        expressions = in_other_hands(expressions, options.varied, strength)
    return [
        Sample(e.id, Image.fromarray(render(e.traces)), " ".join(e.tokens), e.source)
        for e in expressions
    ]


def name_of_test_set(options: argparse.Namespace) -> str:
    """What the command line names, in words."""
    name = str(options.pictures or f"{options.data}:{options.split}")
    if options.unseen:
        name += " (captions not in train)"
    if options.varied:
        name += f", in {options.varied} other hands"
        if options.strength not in (None, 1):
            name += f" of strength {options.strength:g}"
    return name


def table(rows: list[tuple[str, Scores]]) -> str:
    """Scores in percent, a row each, as Markdown."""
    lines = ["| | ExpRate | <=1 | <=2 | <=3 | token error rate |", "|---|---|---|---|---|---|"]
    for name, s in rows:
        rates = (s.exp_rate, s.exp_rate_1, s.exp_rate_2, s.exp_rate_3, s.token_error_rate)
        lines.append(f"| {name} | " + " | ".join(f"{100 * rate:.2f}" for rate in rates) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
