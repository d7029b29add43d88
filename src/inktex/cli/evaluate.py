"""`inktex evaluate`: the scores of a model on a test set."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inktex._version import __version__
from inktex.engine_choice import AUTO, ENGINES
from inktex.extras import require
from inktex.modeling.image_settings_inktex import PHOTO_INK

from .arguments import ALPHABET_HELP, MODEL_HELP, PRESET_HELP, natural, positive
from .console import Output, fail, say

if TYPE_CHECKING:
    from inktex.evaluation.run import Evaluation
    from inktex.evaluation.samples import Sample
    from inktex.evaluation.scores import Scores
    from inktex.recognizer import Recognizer

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = r"""Score a model on a test set.

    # the official pictures, by the protocol of the published papers
    inktex evaluate --pictures offline_2014.zip --captions captions_2014.tsv
    # a split of the prepared data, drawn from its ink
    inktex evaluate --data data/crohme --split dev --model runs/base/best
    # its unseen captions, varied as four further writers, read at another resolution
    inktex evaluate --data data/crohme --split dev --unseen --varied 4 --variation 1.3 \
        --resolution 0.8
    # the whole alphabet by further writers, print in further faces, marks of further scripts;
    # what they are made of lies beside the folder
    inktex evaluate --data data/crohme --split wide-letters --report build/wide-letters
    inktex evaluate --data data/crohme --split unknown-marks
    # any folder of pictures with a captions file (name, TAB, tokens)
    inktex evaluate --pictures FOLDER --captions captions.tsv --output out.json --preset accurate
    # real pictures of several kinds
    inktex evaluate --wild FOLDER --report build/wild
    # the same expressions as photos, in other sizes, with other pens (needs inktex[camera])
    inktex evaluate --data data/crohme --camera --limit 100 --sheet build/camera.png

Prints a table, or with --json an object; --output also writes every reading and the scores as JSON,
--report a page with plots. Both have the recall of each symbol, and what look-alikes were read as.
Every expression counts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    _add_test_set(parser.add_argument_group("test set"))
    _add_reading(parser.add_argument_group("reading"))
    results = parser.add_argument_group("results")
    results.add_argument(
        "--json", action="store_true", help="print one JSON object instead of the table"
    )
    results.add_argument("--output", type=Path, help="JSON file to write")
    results.add_argument("--report", type=Path, help="folder to write a report with plots to")
    results.add_argument("--sheet", type=Path, help="with --camera: PNG with some of the pictures")


def _add_test_set(test_set: Any) -> None:
    test_set.add_argument("--pictures", type=Path, help="folder or zip of pictures")
    test_set.add_argument(
        "--captions",
        type=Path,
        help="their captions: the published ones (name, TAB, tokens), or a csv, tsv or jsonl file "
        "as fine-tuning takes it",
    )
    test_set.add_argument(
        "--wild",
        type=Path,
        metavar="FOLDER",
        help="folder of real pictures with captions.tsv (name, TAB, kind, TAB, tokens)",
    )
    test_set.add_argument("--data", type=Path, help="folder of scripts/prepare_crohme.py")
    test_set.add_argument(
        "--split",
        default="dev",
        help="split of --data (default: dev), or wide-letters, hands, wide-structures, "
        "small-marks, print or unknown-marks",
    )
    test_set.add_argument(
        "--unseen",
        action="store_true",
        help="of --data only the expressions whose caption is not in its train split",
    )
    test_set.add_argument(
        "--varied",
        type=natural,
        metavar="N",
        help="of --data every expression N times, each symbol varied as further writers might "
        "write it",
    )
    test_set.add_argument(
        "--variation",
        type=float,
        metavar="FACTOR",
        help="with --varied: how far those writers differ (default: 1; at 1.3 they are about as "
        "hard to read as those of the tests)",
    )
    test_set.add_argument("--strength", help=argparse.SUPPRESS)  # the name of --variation in 0.1
    test_set.add_argument(
        "--limit", type=positive, help="only so many expressions, spread over the set (for a try)"
    )
    test_set.add_argument(
        "--camera",
        nargs="*",
        metavar="CONDITION",
        help="read them under other conditions too, beside the clean ones: all, or those whose "
        "names have one of these words in them",
    )


def _add_reading(reading: Any) -> None:
    reading.add_argument("--model", help=MODEL_HELP)
    reading.add_argument("--preset", default="fast", help=PRESET_HELP)
    reading.add_argument(
        "--engine",
        choices=(AUTO, *ENGINES),
        default=AUTO,
        help="what reads (default: auto, which is onnx where that can, and torch elsewhere)",
    )
    reading.add_argument("--alphabet", metavar="NAME", help=ALPHABET_HELP)
    reading.add_argument(
        "--resolution", type=float, help="to read at instead of the model's (1: as published)"
    )
    reading.add_argument(
        "--photo-ink",
        choices=PHOTO_INK,
        help="what finds the ink in photos instead of what the model's image processor says",
    )
    reading.add_argument(
        "--single-look",
        action="store_true",
        help="read each picture once, without a second look at those that are misread probably",
    )
    reading.add_argument("--device", default="cpu", help="where torch computes (default: cpu)")
    reading.add_argument(
        "--batch-size",
        type=positive,
        default=64,
        help="pictures that are taken at a time (default 64)",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit status."""
    try:
        _check(options)
        from inktex.evaluation.run import evaluate_samples
        from inktex.evaluation.samples import spread
        from inktex.recognizer import load

        samples = load_samples(options)
        if options.limit is not None:
            samples = spread(samples, options.limit)
        recognizer = load(options.model, options.device, options.engine, alphabet=options.alphabet)
        recognizer.check(options.preset)
        recognizer.second_look = not options.single_look
        processor = recognizer.image_processor
        for name in ("resolution", "photo_ink"):
            if (value := getattr(options, name)) is not None:
                processor.settings = replace(processor.settings, **{name: value})
        if options.camera is not None:
            return _compare_conditions(recognizer, samples, options)
        result = evaluate_samples(recognizer, samples, options.preset, options.batch_size)
    except (ValueError, OSError, ImportError) as error:
        return fail(str(error))
    settings = _settings(recognizer, options)
    if options.json:
        Output().write_json({"settings": settings, **result.summary()})
    else:
        _print(result, settings)
        if options.wild is not None:
            _print_groups(result, [sample.source for sample in samples])
    if options.report:
        from inktex.evaluation.report import write_evaluation_report

        title = f"{settings['test_set']}, {settings['model']}, preset {options.preset}"
        report = write_evaluation_report(result, samples, options.report, title)
        say(f"Report: {report}")
    if options.output:
        from inktex.files import write_json

        write_json(options.output, {"settings": settings, **result.as_dict()})
    return 0


def _check(options: argparse.Namespace) -> None:
    """Find what is wrong with the options before anything is loaded.

    Raises:
        ValueError: if options do not go together or are out of range.
        ImportError: if a report is wanted, and what draws it is not installed.
    """
    if options.report:
        require("train", "--report", "matplotlib")
    if options.strength is not None:
        raise ValueError("--strength is now --variation.")
    if options.variation is not None and options.varied is None:
        raise ValueError("--variation says how far --varied varies: give that, too.")
    if options.resolution is not None and not 0.2 <= options.resolution <= 4:
        raise ValueError(f"A resolution of {options.resolution} is not between 0.2 and 4.")
    if options.json and options.camera is not None:
        raise ValueError("--camera prints a table: leave --json out, or take --output.")
    if sum(one is not None for one in (options.pictures, options.data, options.wild)) != 1:
        raise ValueError("Name either --pictures with --captions, or --data, or --wild.")
    if options.pictures is not None and options.captions is None:
        raise ValueError("--pictures needs --captions to score against.")


def load_samples(options: argparse.Namespace) -> list[Sample]:
    """The test set that the options name.

    Raises:
        ValueError, OSError: if it cannot be read.
    """
    from inktex.evaluation.samples import Sample, picture_samples, wild_samples

    if options.wild is not None:
        return wild_samples(options.wild)
    if options.pictures is not None:
        return picture_samples(options.pictures, options.captions)
    from PIL import Image

    from inktex.evaluation.varied_writers import vary_writers
    from inktex.ink.render import render
    from inktex.training.data import load_expressions, load_unseen

    wide = _wide_samples(options)
    if wide is not None:
        return wide
    load_them = load_unseen if options.unseen else load_expressions
    expressions = load_them(options.data, options.split)
    if options.varied is not None:
        factor = 1.0 if options.variation is None else options.variation
        expressions = vary_writers(expressions, options.varied, factor)
    return [
        Sample(e.id, Image.fromarray(render(e.traces)), " ".join(e.tokens), e.source)
        for e in expressions
    ]


def _wide_samples(options: argparse.Namespace) -> list[Sample] | None:
    """The test set, if it is one beyond CROHME's splits; None for CROHME's.

    Raises:
        ValueError, OSError: if it cannot be read, or options ask for what it does not have.
    """
    from inktex.evaluation.unknown_marks import MARKS_SPLIT, mark_samples
    from inktex.evaluation.wide import PRINT_SPLIT, WIDE_SPLITS, print_samples, wide_samples
    from inktex.training.data import load_examples

    split, folder = options.split, options.data.absolute().parent
    if split not in (*WIDE_SPLITS, PRINT_SPLIT, MARKS_SPLIT):
        return None
    if options.unseen or options.varied is not None:
        raise ValueError(f"--unseen and --varied are for CROHME's splits, not for {split}.")
    if split == PRINT_SPLIT:
        return print_samples(folder)
    if split == MARKS_SPLIT:
        return mark_samples(folder)
    return wide_samples(split, load_examples(str(options.data), "dev"), folder)


def _settings(recognizer: Recognizer, options: argparse.Namespace) -> dict[str, Any]:
    test_set = str(options.pictures or options.wild or f"{options.data}:{options.split}")
    if options.unseen:
        test_set += " (captions not in train)"
    if options.varied:
        test_set += f", as {options.varied} varied writers"
        if options.variation not in (None, 1):
            test_set += f" (variation {options.variation:g})"
    settings: dict[str, Any] = {
        "inktex": __version__,
        "model": options.model or "shipped",
        "test_set": test_set,
        "preset": options.preset,
        "engine": options.engine,
        "alphabet": options.alphabet or "all",
        "resolution": recognizer.image_processor.settings.resolution,
        "photo_ink": recognizer.image_processor.settings.photo_ink,
        "second_look": recognizer.second_look,
        "machine": platform.processor() or platform.machine(),
    }
    if options.engine in (AUTO, "torch"):
        settings["parameters"] = recognizer.model.num_parameters()
    return settings


def _print(result: Evaluation, settings: dict[str, Any]) -> None:
    from inktex.evaluation.run import compiles

    output, count = Output(), len(result.names)
    output.write(
        _table([("normalised spelling", result.scores), ("as it is", result.plain_scores)])
    )
    output.write(
        f"{settings['test_set']}: {count} expressions, {len(result.errors)} unreadable, "
        f"preset {settings['preset']}, engine {settings['engine']}, "
        f"{result.seconds / count * 1000:.1f} ms an expression."
    )
    for name, message in result.errors.items():
        output.write(f"  {name}: {message}")
    calibration = result.calibration
    output.write(
        f"Expected calibration error {calibration.error:.3f}, AUROC of error detection "
        f"{calibration.auroc:.3f}."
    )
    output.write(str(result.doubt))
    if result.marks is not None:
        output.write(str(result.marks))
    if find_spec("pylatexenc") is not None:
        broken = [one.latex for one in result.readings if not compiles(one.latex)]
        output.write(f"{count - len(broken)} of {count} readings are LaTeX that compiles.")
        for latex in broken:
            output.write(f"  does not: {latex}")


def _print_groups(result: Evaluation, kinds: Sequence[str]) -> None:
    """Print the scores of each kind of picture, and of those with one line and with several."""
    from inktex.evaluation.scores import compute_scores

    rows: dict[str, list[int]] = {}
    for number, (kind, caption) in enumerate(zip(kinds, result.captions, strict=True)):
        lines = "several lines" if r"\\" in caption.split() else "one line"
        for group in (kind, lines):
            rows.setdefault(group, []).append(number)
    output = Output()
    output.write("| | pictures | ExpRate | token error rate | rejected |\n|---|---|---|---|---|")
    for group, numbers in sorted(rows.items()):
        scores = compute_scores(
            [result.readings[number].tokens for number in numbers],
            [result.captions[number] for number in numbers],
        )
        rejected = sum(result.names[number] in result.errors for number in numbers)
        rates = _percent((scores.exp_rate, scores.token_error_rate))
        output.write(f"| {group} | {len(numbers)} | {rates} | {rejected} |")


def _compare_conditions(
    recognizer: Recognizer, samples: list[Sample], options: argparse.Namespace
) -> int:
    """Print what each condition costs; returns the exit status.

    Raises:
        ValueError: if no condition has such a name, or Augraphy is needed and not installed.
    """
    from inktex.evaluation.conditions import CONDITIONS, contact_sheet, evaluate_conditions
    from inktex.files import write_json

    output = Output()
    first, *others = CONDITIONS
    words = options.camera or [""]
    chosen = [name for name in others if any(word in name for word in words)]
    if not chosen:
        raise ValueError(f"No condition is named so. There are: {'; '.join(others)}.")
    conditions = [first, *chosen]
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(recognizer, samples, conditions).save(options.sheet)
        output.write(f"Written: {options.sheet}")
    output.write("| condition | ExpRate | less than clean | <=1 | token error rate | rejected |")
    output.write("|---|---|---|---|---|---|")
    clean = 0.0
    records: dict[str, Any] = {}
    for name, result in evaluate_conditions(
        recognizer, samples, conditions, options.preset, options.batch_size
    ):
        scores = result.scores
        clean = scores.exp_rate if name == first else clean
        less = clean - scores.exp_rate
        rates = (scores.exp_rate, less, scores.exp_rate_1, scores.token_error_rate)
        output.write(f"| {name} | {_percent(rates)} | {len(result.errors)} |")
        records[name] = result.as_dict()
    output.write(f"{len(samples)} expressions, preset {options.preset}.")
    if options.output:
        write_json(options.output, {"model": options.model or "shipped", "conditions": records})
    return 0


def _table(rows: list[tuple[str, Scores]]) -> str:
    """Scores in percent, a row each, as Markdown."""
    lines = ["| | ExpRate | <=1 | <=2 | <=3 | token error rate |", "|---|---|---|---|---|---|"]
    for name, s in rows:
        rates = (s.exp_rate, s.exp_rate_1, s.exp_rate_2, s.exp_rate_3, s.token_error_rate)
        lines.append(f"| {name} | {_percent(rates)} |")
    return "\n".join(lines)


def _percent(rates: Iterable[float]) -> str:
    return " | ".join(f"{100 * rate:.2f}" for rate in rates)
