"""The task of training the stroke restoration network, which undoes the filling of wide strokes.

Ink can be drawn with strokes of any width, so pairs to learn from cost nothing: wide strokes as the
image processor finds them, and the same ink with the protocol's narrow strokes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy import ndimage

from inktex.data.examples import AnyExample, Example
from inktex.files import new_file, new_folder, write_json
from inktex.ink.render import STROKE_WIDTH, dilate, draw
from inktex.modeling.stroke_restoration_inktex import centre_lines
from inktex.modeling.stroke_width_inktex import squares_within

from .batches import PlannedBatches, ink_alone
from .plans import Plan, Shape
from .recipe_fields import Recipe, StrokeRestorationConfig
from .run_folder import AVERAGED
from .stroke_restoration_net import (
    STROKE_RESTORATION_FILE,
    StrokeRestoration,
    StrokeRestorationNet,
    fold,
    ink_loss,
)
from .synthetic import SyntheticInk, synthetic_ink
from .task import Progress, Task

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
NAMES = ("wide", "lines", "narrow")
"""Tensors of a batch."""
NET = "net.safetensors"
"""In `averaged`: the network with its normalizations, from which another run can start."""
RECORD = "stroke_restoration.json"
"""Fill error before and after, and the length of the run."""
_MEASURED_WIDTH = 6
"""Width in pixels of the strokes by which the fill error is measured."""


class StrokeRestorationTask(Task):
    """Trains the network on pairs of wide and narrow strokes.

    Args:
        recipe: the run; its fields for models and their losses are not used.
        examples: what to train on; pictures without ink are left out.
        development: by whose ink the fill error is measured.

    Raises:
        ValueError: if there is no ink to train on, or `init` has no network or another one.
    """

    measures = ("loss", "wrong_before", "wrong")

    def __init__(
        self, recipe: Recipe, examples: Sequence[AnyExample], development: Sequence[AnyExample]
    ) -> None:
        self.recipe, self.development = recipe, development
        ink = ink_alone(examples)
        config = recipe.stroke_restoration or StrokeRestorationConfig()
        self.batches = PairBatches(ink, recipe, synthetic_ink(ink, recipe.synthesis))
        self.model: StrokeRestorationNet = StrokeRestorationNet(config.channels)
        if recipe.init is not None:
            _load(self.model, Path(recipe.init) / AVERAGED / NET, Path(recipe.init) / NET)

    def losses(
        self,
        accelerator: Accelerator,
        model: Any,
        batch: dict[str, torch.Tensor],
        share: float,
    ) -> dict[str, torch.Tensor]:
        """The loss, and the shares of the wide strokes' pixels that are wrong before and after."""
        wide, lines, narrow = (batch[name] for name in NAMES)
        with accelerator.autocast():
            logits = model(wide, lines).float()
            loss = ink_loss(logits, wide, narrow)
        total = wide.sum().clamp(min=1)
        before = ((lines != narrow) * wide).sum() / total
        after = (((logits.detach() > 0) != (narrow > 0.5)) * wide).sum() / total
        return dict(zip(self.measures, (loss, before, after), strict=True))

    def evaluate(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Export the network and measure its fill error; see `Task.evaluate`."""
        with new_folder(output / AVERAGED) as folder:
            state = self.model.state_dict()
            save_file({key: value.contiguous() for key, value in state.items()}, folder / NET)
        network = fold(self.model)
        with new_file(output / STROKE_RESTORATION_FILE) as partial:
            network.save(partial)
        before, after = fill_error(network, self.development)
        scores = {"wrong_before": before, "wrong": after}
        length = {"steps": progress.step, "minutes": progress.seconds / 60}
        record = {"sha256": network.checksum, **length, "pen": _MEASURED_WIDTH, **scores}
        write_json(output / RECORD, record)
        return scores

    def result(self, output: Path) -> Path:
        """The file of the exported network."""
        return output / STROKE_RESTORATION_FILE


class PairBatches(PlannedBatches):
    """Batches of `NAMES`, each `(n, 1, height, width)` float32, 1 on strokes.

    Args:
        examples: recorded ink.
        recipe: its augmentation and stroke widths.
        synthetic: of `synthetic_ink`.
    """

    def __init__(
        self, examples: Sequence[Example], recipe: Recipe, synthetic: SyntheticInk | None
    ) -> None:
        super().__init__(examples, recipe.batch, recipe.augmentation, recipe.seed, synthetic)
        self.widths = recipe.stroke_restoration or StrokeRestorationConfig()

    def __getitem__(self, plan: Plan) -> dict[str, torch.Tensor]:
        pairs = []
        for example, factor, rng in self.varied_ink(plan):
            pairs.append(self._draw(example, factor, plan.shape, rng))
        return {
            name: torch.from_numpy(np.stack(pictures)[:, None] / np.float32(255))
            for name, pictures in zip(NAMES, zip(*pairs, strict=True), strict=True)
        }

    def _draw(
        self, example: Example, factor: float, shape: Shape, rng: np.random.Generator
    ) -> Pair:
        """An example's ink at random stroke widths, reduced further where it would not fit."""
        stroke_width = int(rng.choice(self.widths.stroke_widths))
        target_width = int(rng.choice(self.widths.target_widths))
        width, height = example.size
        margins = self.config.margin_before + self.config.margin_after + STROKE_WIDTH
        room = min((shape[0] - margins) / max(height, 1), (shape[1] - margins) / max(width, 1))
        placed = example.points * np.float32(min(factor, room))
        placed += np.float32(self.config.margin_before + STROKE_WIDTH // 2)
        line = draw(np.split(placed, example.offsets[1:-1]), shape[1], shape[0], stroke_width=1)
        return draw_pair(line, stroke_width, target_width, rng.random() < self.widths.round)


def draw_pair(
    line: NDArray[np.uint8], stroke_width: int, target_width: int, is_round: bool = False
) -> Pair:
    """Input and target of the network for some ink.

    Args:
        line: `(h, w)` uint8, lines of one pixel, 255 on 0; margins wider than the strokes.
        stroke_width, target_width: of the wide and of the narrow strokes, in pixels.
        is_round: draw the wide strokes with a round brush instead of a square one.

    Returns:
        Wide strokes, centre lines and narrow strokes, each `(h, w)`, 255 on 0.
    """
    if is_round:
        centred = np.arange(stroke_width) - (stroke_width - 1) / 2
        disc = centred[:, None] ** 2 + centred**2 <= (stroke_width / 2) ** 2
        lines = centre_lines(ndimage.binary_dilation(line > 0, disc), stroke_width)
    else:
        # As `centre_lines` finds them, in a fraction of its time: there are squares alone.
        before = (stroke_width - 1) // 2
        strokes = np.pad(dilate(line, stroke_width) > 0, stroke_width)
        inside = squares_within(strokes, stroke_width)
        start = stroke_width - before
        lines = inside[start : start + line.shape[0], start : start + line.shape[1]]
    found = lines.astype(np.uint8) * np.uint8(255)
    return dilate(found, stroke_width), dilate(found, target_width), dilate(line, target_width)


def fill_error(network: StrokeRestoration, examples: Sequence[AnyExample]) -> tuple[float, float]:
    """Share of wide strokes' pixels that are not as the protocol's strokes would have left them.

    Args:
        examples: whose ink to draw, at the published scale.

    Returns:
        The share without restoration, and the network's.
    """
    stroke_width = _MEASURED_WIDTH
    wrong, total = np.zeros(2), 0
    for example in examples:
        if not isinstance(example, Example):
            continue
        width, height = (int(np.ceil(side)) + 4 * stroke_width for side in example.size)
        traces = np.split(example.points + np.float32(2 * stroke_width), example.offsets[1:-1])
        line = draw(traces, width, height, stroke_width=1)
        wide, lines, narrow = draw_pair(line, stroke_width, STROKE_WIDTH)
        found = network(wide > 0, lines > 0) > 0.5
        wrong += (lines != narrow).sum(), (found != (narrow > 0)).sum()
        total += int((wide > 0).sum())
    before, after = (wrong / max(total, 1)).tolist()
    return before, after


def _load(net: StrokeRestorationNet, *places: Path) -> None:
    """Load the first file that is there."""
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise ValueError(f"There is no {NET} to start from in {places[-1].parent}: set init=null.")
    try:
        net.load_state_dict(load_file(found))
    except RuntimeError as error:
        raise ValueError(f"{found} does not fit stroke_restoration.channels: {error}") from error
