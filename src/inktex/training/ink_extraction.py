"""The task of training the network that finds ink, on pictures drawn by `inktex.photos`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch.nn import functional

from inktex.data.examples import AnyExample, Example, cut
from inktex.data.print import PrintedFormulas
from inktex.data.printed import PrintExample
from inktex.files import new_file, write_json
from inktex.modeling.ink_extraction_inktex import INK_EXTRACTION_FILE, POSE_PREFIX, InkExtraction
from inktex.modeling.ink_network_inktex import InktexInkExtraction, InktexInkPose, trained_weights
from inktex.photos import Photo, draw_empty, draw_photo, largest_scale
from inktex.shipped import pretrained_path

from .batches import PlannedBatches, ink_alone
from .plans import Plan, Shape
from .recipe_fields import SHIPPED, InkExtractionConfig, Recipe
from .synthetic import SyntheticInk, synthetic_ink
from .task import Progress, Task

__all__ = [
    "RECORD", "InkExtractionTask", "PhotoBatches", "extraction_losses", "initial_weights",
    "score_extraction",
]  # fmt: skip

RECORD = "ink_extraction.json"
"""Scores on development pictures, and the length of the run."""
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

    measures = ("loss", "entropy", "overlap")

    def __init__(
        self, recipe: Recipe, examples: Sequence[AnyExample], development: Sequence[AnyExample]
    ) -> None:
        self.recipe = recipe
        ink = ink_alone(examples)
        config = recipe.ink_extraction or InkExtractionConfig()
        self.batches = PhotoBatches(ink, recipe, synthetic_ink(ink, recipe.synthesis))
        self.model: InktexInkExtraction = InktexInkExtraction(config.channels)
        self.initial = initial_weights(recipe)
        _load(self.model, self.initial)
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
        parts = extraction_losses(found.float(), batch)
        return {"loss": parts["entropy"] + parts["overlap"], **parts}

    def evaluate(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Save the network and score it; see `Task.evaluate`."""
        pose = {key: one for key, one in self.initial.items() if key.startswith(POSE_PREFIX)}
        extraction = InkExtraction(trained_weights(self.model) | pose)
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


def initial_weights(recipe: Recipe) -> dict[str, NDArray[np.float32]]:
    """Weights of both networks that a run starts from: those of `init`, else random ones.

    Raises:
        ValueError: if the file is damaged.
        OSError: if there is no such file.
    """
    if recipe.init is None:
        config = recipe.ink_extraction or InkExtractionConfig()
        pose = trained_weights(InktexInkPose())
        return {
            **trained_weights(InktexInkExtraction(config.channels)),
            **{POSE_PREFIX + name: one for name, one in pose.items()},
        }
    folder = pretrained_path() if recipe.init == SHIPPED else Path(recipe.init)
    return InkExtraction.load(folder / INK_EXTRACTION_FILE).weights


def extraction_losses(
    found: torch.Tensor, batch: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The losses of what the network found.

    Args:
        found: logits `(n, h, w)`, in float32.
        batch: of `PhotoBatches`.

    Returns:
        `entropy`, four times the mean cross-entropy of the pixels in nats; `overlap`, one minus the
        overlap (Dice) of each picture.
    """
    ink = batch["ink"].float() / 255
    entropy = functional.binary_cross_entropy_with_logits(found, ink)
    chance = found.sigmoid()
    both = (chance * ink).sum(dim=(1, 2))
    overlap = (2 * both + 1) / (chance.sum(dim=(1, 2)) + ink.sum(dim=(1, 2)) + 1)
    return {"entropy": 4 * entropy, "overlap": (1 - overlap).mean()}


class PhotoBatches(PlannedBatches):
    """Batches of pictures and what is to be found in them.

    `picture` `(n, 3, h, w)` and `ink` `(n, h, w)`, uint8.

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
                photos.append(draw_empty(self.neighbour, plan.shape, scale, rng))
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
        photo = draw_photo(traces, self.neighbour, shape, scale, angle, rng, is_print)
        assert photo is not None
        return photo

    def _angle(self, rng: np.random.Generator) -> float:
        kind = rng.random()
        if kind < self.photos.turned:
            return float(rng.choice([90.0, 180.0, 270.0]) + rng.normal(0, 3))
        if kind < self.photos.turned + self.photos.slanted:
            return float(rng.uniform(-45, 45))
        return float(rng.normal(0, 3))


def stack_photos(photos: Sequence[Photo]) -> dict[str, torch.Tensor]:
    """Pictures of one shape as a batch of `PhotoBatches`."""
    pictures = np.stack([photo.picture for photo in photos]).transpose(0, 3, 1, 2)
    return {
        "picture": torch.from_numpy(np.ascontiguousarray(pictures)),
        "ink": torch.from_numpy(np.stack([photo.ink for photo in photos])),
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
        `ink_f1`, of all pixels at a probability of one half.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    right = wrong = 0.0
    for photo in photos:
        batch = {key: value.to(device) for key, value in stack_photos([photo]).items()}
        ink, truth = model(batch["picture"].float() / 255)[0] > 0, batch["ink"][0] > 127
        right += float((ink & truth).sum())
        wrong += float((ink ^ truth).sum())
    model.train(was_training)
    return {"ink_f1": round(2 * right / max(2 * right + wrong, 1), 4)}


def _load(model: InktexInkExtraction, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Give a network its weights of a file.

    Raises:
        ValueError: if they are of a network of another size.
    """
    fresh = model.state_dict()
    state = {name: torch.from_numpy(value) for name, value in weights.items() if name in fresh}
    try:
        model.load_state_dict(fresh | state)
    except RuntimeError as error:
        raise ValueError(f"init does not fit ink_extraction.channels: {error}") from error
