#!/usr/bin/env python
"""Fit temperatures and threshold of a model's probabilities, and write them into its configuration.

    python scripts/calibrate.py runs/base/best --data data/crohme

Reads the expressions of the development split whose captions training does not have (those that it
has are read too well), varied as several further writers, since a model mostly meets writers that
it does not know; and chooses the temperature with the least cross-entropy between the probabilities
of the readings and whether they are right. `accurate` has one more, fitted on those of which `fast`
is not sure: the mean of the log-probabilities of several views is lower than each, and right more
often. Tokens are doubtful under the probability that 7 % of those that were read right have at
most. Readings do not change.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm.auto import tqdm

from inktex import Recognizer
from inktex.cli.arguments import natural
from inktex.evaluation.calibration import (
    fit_doubt,
    fit_temperature,
    measure_calibration,
    measure_doubt,
)
from inktex.evaluation.scores import compute_scores, wrong_tokens
from inktex.evaluation.spelling import normalize_spelling
from inktex.evaluation.varied_writers import vary_writers
from inktex.files import write_json
from inktex.ink import Expression
from inktex.ink.render import render
from inktex.modeling.generation_inktex import (
    generate_with_details,
    sequence_logits,
    token_log_probabilities,
)
from inktex.modeling.image_loading_inktex import NoFormulaError
from inktex.modeling.rescoring_inktex import SURE
from inktex.training.data import load_unseen


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, fit, write; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder of the model; its config.json is changed")
    parser.add_argument("--data", default="data/crohme", help="folder of prepare_crohme.py")
    parser.add_argument(
        "--varied",
        type=natural,
        default=3,
        metavar="N",
        help="vary every expression as N further writers (default 3; 0: only as it was written)",
    )
    options = parser.parse_args(arguments)
    try:
        new = load_unseen(options.data, "dev")
        recognizer = Recognizer.from_pretrained(options.model)
    except (ValueError, OSError) as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 2
    if options.varied:
        new = vary_writers(new, options.varied)
    logits, sequences, correct, wrong = read(recognizer, new)
    end = recognizer.model.config.eos_token_id

    def log_probabilities(temperature: float) -> NDArray[np.float64]:
        sums = [
            token_log_probabilities(one / temperature, ids, end).sum(dim=1)
            for one, ids in zip(logits, sequences, strict=True)
        ]
        return torch.cat(sums).double().numpy()

    temperature = fit("fast, temperature", log_probabilities, correct)
    scores = np.concatenate(
        [
            token_log_probabilities(one / temperature, ids, end)[0, : len(are_wrong)].exp()
            for one, ids, are_wrong in zip(logits, sequences, wrong, strict=True)
        ]
    )
    are_wrong = [one for reading in wrong for one in reading]
    doubt = round(fit_doubt(scores.tolist(), are_wrong), 3)
    print(f"fast, doubt below {doubt}: {measure_doubt((scores < doubt).tolist(), are_wrong)}")
    recognizer.model.config.decoder.token_temperature = temperature
    recognizer.model.config.decoder.rescoring_temperature = 1.0
    is_unsure = np.exp(log_probabilities(temperature)) < SURE
    searched = [one for one, unsure in zip(new, is_unsure, strict=True) if unsure]
    rescoring = 1.0
    if searched:
        summed, correct = read_accurately(recognizer, searched)
        name = "accurate, temperature of the rescoring"
        rescoring = fit(name, lambda value: summed / value, correct)
    path = options.model / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for name in ("temperature", "judges_temperature"):  # in 0.1
        content["decoder"].pop(name, None)
    content["decoder"]["token_temperature"] = round(temperature, 4)
    content["decoder"]["rescoring_temperature"] = round(rescoring, 4)
    content["decoder"]["doubt_threshold"] = doubt
    write_json(path, content)
    return 0


def fit(
    name: str, log_probabilities: Callable[[float], NDArray[np.float64]], correct: list[bool]
) -> float:
    """The temperature that `fit_temperature` finds; prints what it changes."""
    temperature = fit_temperature(log_probabilities, correct)
    for value, shown in ((1.0, "1"), (temperature, f"{temperature:.3f}")):
        found = measure_calibration(np.exp(log_probabilities(value)).tolist(), correct)
        print(
            f"{name} {shown}: calibration error {found.error:.3f}, AUROC {found.auroc:.3f} "
            f"over {len(correct)} readings, {sum(correct)} of them right"
        )
    return temperature


def read_accurately(
    recognizer: Recognizer, expressions: list[Expression]
) -> tuple[NDArray[np.float64], list[bool]]:
    """Log-probabilities of the readings of `accurate`, and whether they are right."""
    pictures = [Image.fromarray(render(one.traces)) for one in expressions]
    scores, correct = [], []
    readings = recognizer.read_each(pictures, preset="accurate", symbols=False)
    for one, reading in zip(expressions, tqdm(readings, total=len(pictures)), strict=True):
        if isinstance(reading, NoFormulaError) and reading.score is not None:
            score, is_right = reading.score, False  # the model takes it for no formula
        elif isinstance(reading, Exception):
            raise reading
        else:
            score = reading.score
            is_right = compute_scores([reading.tokens], [one.tokens]).exact == 1
        scores.append(math.log(max(score, 1e-30)))
        correct.append(is_right)
    return np.array(scores), correct


@torch.no_grad()
def read(
    recognizer: Recognizer, expressions: list[Expression]
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[bool], list[list[bool]]]:
    """Greedy readings: logits, ids, whether they are right, and whether each token is wrong."""
    model, image_processor = recognizer.model, recognizer.processor.image_processor
    logits, sequences, correct, wrong = [], [], [], []
    for one in tqdm(expressions, unit="picture"):
        picture = Image.fromarray(render(one.traces))
        inputs = image_processor(picture, return_tensors="pt")
        ids = torch.from_numpy(generate_with_details(model, inputs).sequences)
        memory = model.get_encoder()(**inputs)
        logits.append(sequence_logits(model, memory, ids)[0])
        sequences.append(ids)
        text = recognizer.processor.batch_decode(ids, skip_special_tokens=True)
        correct.append(compute_scores(text, [one.tokens]).exact == 1)
        wrong.append(wrong_tokens(text[0].split(), normalize_spelling(one.tokens)))
    return logits, sequences, correct, wrong


if __name__ == "__main__":
    sys.exit(main())
