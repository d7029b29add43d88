#!/usr/bin/env python
"""How well a model reads the same ink in other kinds of pictures.

    python scripts/check_pictures.py --data data/crohme --split dev --limit 150

Draws the ink of a split as published, dark on light, thin, thick, small, large, grey and blurred,
and on uneven paper, and prints the scores of each, a row each. The first row is the measure of the
others: what they lose, the image processor does not make good.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from inktex import Recognizer
from inktex.cli.arguments import positive
from inktex.evaluation.run import evaluate_samples
from inktex.evaluation.samples import Sample, spread
from inktex.ink import Expression
from inktex.render import published_scale, render
from inktex.training.data import load_expressions

Variant = Callable[[Expression, np.random.Generator], Image.Image]


def drawn(pen: int = 3, size: float = 1.0) -> Variant:
    """White on black, with a pen of some pixels, at some multiple of the published scale."""

    def draw(expression: Expression, _: np.random.Generator) -> Image.Image:
        scale = published_scale(expression.traces) * size
        return Image.fromarray(render(expression.traces, scale=scale, pen=pen))

    return draw


def dark(inner: Variant) -> Variant:
    """Dark ink on light paper."""
    return lambda expression, rng: ImageOps.invert(inner(expression, rng))


def photo(expression: Expression, rng: np.random.Generator) -> Image.Image:
    """Dark ink on paper with a shadow across, blurred and noisy, as JPEG would have it."""
    ink = dark(drawn(pen=5, size=2.0))(expression, rng).filter(ImageFilter.GaussianBlur(1.2))
    levels = 60 + 150 * np.asarray(ink, dtype=np.float32) / 255
    across = np.linspace(1.0, rng.uniform(0.5, 0.8), levels.shape[1])[None, :]
    shaded = levels * across + rng.normal(0, 4, levels.shape)
    return Image.fromarray(shaded.clip(0, 255).astype(np.uint8))


VARIANTS: dict[str, Variant] = {
    "as published": drawn(),
    "dark on light": dark(drawn()),
    "pen of 1 pixel": dark(drawn(pen=1)),
    "pen of 6 pixels": dark(drawn(pen=6)),
    "half the size, pen of 1": dark(drawn(pen=1, size=0.5)),
    "twice the size, pen of 3": dark(drawn(pen=3, size=2.0)),
    "three times the size, pen of 9": dark(drawn(pen=9, size=3.0)),
    "photo with a shadow": photo,
}


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, draw, read, print; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder or Hub repository (default: the shipped model)")
    parser.add_argument("--data", type=Path, required=True, help="of scripts/prepare_crohme.py")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--limit", type=positive, default=150, help="expressions (default 150)")
    options = parser.parse_args(arguments)
    try:
        expressions = load_expressions(options.data, options.split)
        expressions = spread(expressions, options.limit)
        recognizer = Recognizer.from_pretrained(options.model)
    except (ValueError, OSError) as error:
        print(f"check_pictures: {error}", file=sys.stderr)
        return 2
    print("| picture | ExpRate | <=1 | token error rate |\n|---|---|---|---|")
    for name, variant in VARIANTS.items():
        rng = np.random.default_rng(0)
        samples = [Sample(e.id, variant(e, rng), " ".join(e.tokens)) for e in expressions]
        scores = evaluate_samples(recognizer, samples, progress=False).scores
        rates = (scores.exp_rate, scores.exp_rate_1, scores.token_error_rate)
        print(f"| {name} | " + " | ".join(f"{100 * rate:.1f}" for rate in rates) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
