"""The task of training the ink extraction network on pictures drawn by `inktex.photos`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn import functional

from inktex.data.examples import AnyExample, Example, cut
from inktex.data.print import PrintedFormulas
from inktex.data.printed import PrintExample
from inktex.files import new_file, write_json
from inktex.modeling.ink_extraction_inktex import INK_EXTRACTION_FILE, InkExtraction
from inktex.modeling.ink_network_inktex import Extraction, InktexInkExtraction, trained_weights
from inktex.photos import Photo, draw_empty, draw_photo, largest_scale
from inktex.shipped import pretrained_path

from .batches import PlannedBatches, ink_alone
from .plans import Plan, Shape
from .recipe_fields import SHIPPED, InkExtractionConfig, Recipe
from .synthetic import SyntheticInk, synthetic_ink
from .task import Progress, Task

__all__ = ["InkExtractionTask", "PhotoBatches", "extraction_losses", "score_extraction"]

RECORD = "ink_extraction.json"
"""Scores on development pictures, and the length of the run."""
_STRIDE = 8
"""Of the geometry that the network tells."""
_LEAST_ROOM = 0.4
"""Share of an upright formula's scale below which it is not turned."""
_LARGEST = 10.0
"""Scale of a symbol that fills the overview of a picture."""
_DEVELOPMENT = 96
"""Pictures that are drawn of the development ink, always the same ones."""


class InkExtractionTask(Task):
    """Trains the network on pictures of which the formula's ink is known.

    Args:
        recipe: the run; its fields for models and their losses are not used.
        examples: what to train on; pictures without ink are left out.
        development: whose ink the scores are measured on.

    Raises:
        ValueError: if there is no ink to train on.
    """

    measures = ("loss", "ink", "scale", "direction")

    def __init__(
        self, recipe: Recipe, examples: Sequence[AnyExample], development: Sequence[AnyExample]
    ) -> None:
        self.recipe = recipe
        ink = ink_alone(examples)
        config = recipe.ink_extraction or InkExtractionConfig()
        self.batches = PhotoBatches(ink, recipe, synthetic_ink(ink, recipe.synthesis))
        self.model: InktexInkExtraction = InktexInkExtraction(config.channels)
        if recipe.init is not None:
            folder = pretrained_path() if recipe.init == SHIPPED else Path(recipe.init)
            _load(self.model, folder / INK_EXTRACTION_FILE)
        known = [example for example in development if isinstance(example, Example)]
        self.development = draw_development(
            known[:: max(len(known) // _DEVELOPMENT, 1)], self.batches
        )

    def losses(
        self,
        accelerator: Accelerator,
        model: Any,
        batch: dict[str, torch.Tensor],
        share: float,
    ) -> dict[str, torch.Tensor]:
        """Losses of a batch of `PhotoBatches`; see `Task.losses`."""
        pictures = batch["picture"].float() / 255
        with accelerator.autocast():
            found = model(pictures.contiguous(memory_format=torch.channels_last))
        parts = extraction_losses(Extraction(*(one.float() for one in found)), batch)
        total = parts["ink"] + 0.25 * parts["scale"] + 0.1 * parts["direction"]
        return {"loss": total, **parts}

    def evaluate(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Save the network and score it; see `Task.evaluate`."""
        extraction = InkExtraction(trained_weights(self.model))
        with new_file(output / INK_EXTRACTION_FILE) as partial:
            extraction.save(partial)
        scores = score_extraction(self.model, self.development)
        length = {"steps": progress.step, "minutes": progress.seconds / 60}
        record = {"sha256": extraction.checksum, **length, **scores}
        write_json(output / RECORD, record)
        return scores

    def result(self, output: Path) -> Path:
        """The file with the network."""
        return output / INK_EXTRACTION_FILE


def extraction_losses(found: Extraction, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The losses of what the network found.

    Args:
        found: in float32.
        batch: of `PhotoBatches`.

    Returns:
        `ink`, mean cross-entropy in nats of the pixels plus one minus the overlap (Dice) of each
        picture; `scale`, in octaves; `direction`, the squared distance of
        cosine and sine from the true ones.
    """
    ink = batch["ink"].float() / 255
    entropy = functional.binary_cross_entropy_with_logits(found.ink, ink)
    chance = found.ink.sigmoid()
    both = (chance * ink).sum(dim=(1, 2))
    overlap = (2 * both + 1) / (chance.sum(dim=(1, 2)) + ink.sum(dim=(1, 2)) + 1)
    weight = functional.max_pool2d(ink[:, None], _STRIDE)[:, 0]
    total = weight.sum().clamp(min=1)
    off = functional.smooth_l1_loss(
        found.scale,
        batch["scale"][:, None, None].expand_as(found.scale),
        reduction="none",
        beta=0.2,
    )
    angle = torch.deg2rad(batch["angle"])
    truth = torch.stack([angle.cos(), angle.sin()], dim=1)[..., None, None]
    turned = ((found.direction - truth) ** 2).sum(dim=1)
    return {
        "ink": 4 * entropy + (1 - overlap).mean(),
        "scale": (off * weight).sum() / total,
        "direction": (turned * weight).sum() / total,
    }


class PhotoBatches(PlannedBatches):
    """Batches of pictures and what is to be found in them.

    `picture` `(n, 3, h, w)` and `ink` `(n, h, w)`, uint8; `scale` `(n,)`, its binary logarithm, and
    `angle` `(n,)` in degrees, float32.

    Args:
        examples: recorded ink.
        recipe: of the run.
        synthetic: of `synthetic_ink`.

    Raises:
        ValueError: if print is asked for, and there is no file of it.
    """

    def __init__(
        self, examples: Sequence[Example], recipe: Recipe, synthetic: SyntheticInk | None
    ) -> None:
        super().__init__(examples, recipe.batch, recipe.augmentation, recipe.seed, synthetic)
        self.photos = recipe.ink_extraction or InkExtractionConfig()
        self.print: Sequence[PrintExample] = ()
        if self.photos.printed:
            if recipe.synthesis.print is None:
                raise ValueError("ink_extraction.printed needs a file: set synthesis.print.")
            self.print = PrintedFormulas(recipe.synthesis.print)

    def __getitem__(self, plan: Plan) -> dict[str, torch.Tensor]:
        photos = []
        for example, factor, rng in self.varied_ink(plan):
            scale = factor * self.config.resolution
            if rng.random() < self.photos.empty:
                photos.append(draw_empty(self._neighbour, plan.shape, scale, rng))
            elif self.print and rng.random() < self.photos.printed:
                photos.append(self._draw_print(plan.shape, rng))
            elif rng.random() < self.photos.enlarged:
                part = cut(cut(example, rng), rng)
                scale = min(largest_scale(part.traces(), plan.shape, 0.0), _LARGEST)
                photos.append(self.draw(part, scale, plan.shape, rng))
            else:
                photos.append(self.draw(example, scale, plan.shape, rng))
        return stack_photos(photos)

    def _draw_print(self, shape: Shape, rng: np.random.Generator) -> Photo:
        """A picture of a typeset formula that is not made much smaller to fit into it."""
        while True:
            example = self.print[int(rng.integers(len(self.print)))]
            scale = largest_scale(example.outlines(), shape, 0.0)
            if scale > _LEAST_ROOM or rng.random() < 0.02:  # or there is none for this shape
                return self.draw(example, min(scale, 1.5), shape, rng)

    def draw(
        self,
        example: Example | PrintExample,
        scale: float,
        shape: Shape,
        rng: np.random.Generator,
    ) -> Photo:
        """A picture of an example at a scale of at most `scale`, with room around it."""
        is_print = isinstance(example, PrintExample)
        traces = example.outlines() if isinstance(example, PrintExample) else example.traces()
        angle = self._angle(rng)
        scale *= float(rng.uniform(*self.photos.filling))
        upright = largest_scale(traces, shape, 0.0)
        room = largest_scale(traces, shape, angle)
        if room < _LEAST_ROOM * min(scale, upright):  # a long formula across a flat picture
            angle, room = 0.0, upright
        scale = min(scale, room)
        photo = draw_photo(traces, self._neighbour, shape, scale, angle, rng, is_print)
        assert photo is not None
        return photo

    def _angle(self, rng: np.random.Generator) -> float:
        kind = rng.random()
        if kind < self.photos.turned:
            return float(rng.choice([90.0, 180.0, 270.0]) + rng.normal(0, 3))
        if kind < self.photos.turned + self.photos.slanted:
            return float(rng.uniform(-45, 45))
        return float(rng.normal(0, 3))

    def _neighbour(self, rng: np.random.Generator) -> list[np.ndarray[Any, Any]]:
        example = self.examples[int(rng.integers(len(self.examples)))]
        assert isinstance(example, Example)
        low = example.points.min(axis=0)
        return [trace - low for trace in example.traces()]


def stack_photos(photos: Sequence[Photo]) -> dict[str, torch.Tensor]:
    """Pictures of one shape as a batch of `PhotoBatches`."""
    pictures = np.stack([photo.picture for photo in photos]).transpose(0, 3, 1, 2)
    return {
        "picture": torch.from_numpy(np.ascontiguousarray(pictures)),
        "ink": torch.from_numpy(np.stack([photo.ink for photo in photos])),
        "scale": torch.tensor([float(np.log2(photo.scale)) for photo in photos]),
        "angle": torch.tensor([photo.angle for photo in photos]),
    }


def draw_development(examples: Sequence[Example], batches: PhotoBatches) -> list[Photo]:
    """A picture of each example from a fixed seed, its sides multiples of 32 pixels."""
    photos = []
    for number, example in enumerate(examples):
        rng = np.random.default_rng((7, number))
        scale = float(np.exp(rng.uniform(np.log(0.5), np.log(1.5))))
        width, height = (
            int(np.ceil((side * scale + 16) * rng.uniform(1.05, 2) / 32)) * 32
            for side in example.size
        )
        photos.append(batches.draw(example, scale, (min(height, 512), min(width, 1024)), rng))
    return photos


@torch.no_grad()
def score_extraction(model: InktexInkExtraction, photos: Sequence[Photo]) -> dict[str, float]:
    """How well a network does on pictures whose ink is known.

    Args:
        model: to score; it is left in training mode if it was.
        photos: each with sides that are multiples of the model's stride.

    Returns:
        `ink_f1`, of all pixels at a probability of one half; `scale_error`, median in octaves;
        `angle_error`, median in degrees.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    right = wrong = 0.0
    scales, angles = [], []
    for photo in photos:
        batch = {key: value.to(device) for key, value in stack_photos([photo]).items()}
        found = model(batch["picture"].float() / 255)
        ink, truth = found.ink[0] > 0, batch["ink"][0] > 127
        right += float((ink & truth).sum())
        wrong += float((ink ^ truth).sum())
        weight = functional.max_pool2d(found.ink.sigmoid()[:, None], _STRIDE)[0, 0]
        total = weight.sum().clamp(min=1e-6)
        scales.append(abs(float((found.scale[0] * weight).sum() / total - batch["scale"][0])))
        across, down = ((found.direction[0] * weight).sum(dim=(1, 2)) / total).tolist()
        error = np.rad2deg(np.arctan2(down, across)) - photo.angle
        angles.append(abs((error + 180) % 360 - 180))
    model.train(was_training)
    return {
        "ink_f1": round(2 * right / max(2 * right + wrong, 1), 4),
        "scale_error": round(float(np.median(scales)), 4),
        "angle_error": round(float(np.median(angles)), 3),
    }


def _load(model: InktexInkExtraction, path: Path) -> None:
    """Give a network the weights of a file.

    Raises:
        ValueError: if they are of a network of another size, or the file is damaged.
        OSError: if there is no such file.
    """
    weights = InkExtraction.load(path).weights
    state = {name: torch.from_numpy(value) for name, value in weights.items()}
    try:
        model.load_state_dict(model.state_dict() | state)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit ink_extraction.channels: {error}") from error
