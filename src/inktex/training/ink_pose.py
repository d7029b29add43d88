"""The task of training the network that tells scale and angle of ink, on ink drawn turned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from inktex.data.examples import AnyExample, Example
from inktex.files import new_file, write_json
from inktex.modeling.ink_extraction_inktex import (
    INK_EXTRACTION_FILE,
    POSE_PREFIX,
    InkExtraction,
    pose_input,
)
from inktex.modeling.ink_network_inktex import InktexInkPose, trained_weights
from inktex.photos.pens import protocol_ink

from .batches import PlannedBatches, ink_alone
from .ink_extraction import RECORD, initial_weights
from .plans import Plan
from .recipe_fields import InkPoseConfig, Recipe
from .synthetic import SyntheticInk, synthetic_ink
from .task import Progress, Task

__all__ = ["InkPoseTask", "PoseBatches", "draw_turned", "pose_losses", "score_pose"]

_SCALES = (0.3, 4.0)
"""Pixels of an overview for each pixel at the published scale."""
_SIDE = 512
"""Pixels of an overview."""
_DEVELOPMENT = 400
"""Pieces of ink that are scored, always the same ones."""


class InkPoseTask(Task):
    """Trains the network; the one that finds ink stays as it is in the initial weights.

    Args:
        recipe: the run; its fields for models and their losses are not used.
        examples: what to train on; pictures without ink are left out.
        development: whose ink the scores are measured on.

    Raises:
        ValueError: if there is no ink to train on.
    """

    measures = ("loss", "scale", "quarter", "slant")

    def __init__(
        self, recipe: Recipe, examples: Sequence[AnyExample], development: Sequence[AnyExample]
    ) -> None:
        ink = ink_alone(examples)
        self.batches = PoseBatches(ink, recipe, synthetic_ink(ink, recipe.synthesis))
        self.model: InktexInkPose = InktexInkPose()
        self.initial = initial_weights(recipe)
        own = {
            name.removeprefix(POSE_PREFIX): torch.from_numpy(value)
            for name, value in self.initial.items()
            if name.startswith(POSE_PREFIX)
        }
        fresh = self.model.state_dict()
        # The last layer was smaller once: then it starts anew.
        own = {name: one for name, one in own.items() if one.shape == fresh[name].shape}
        self.model.load_state_dict(fresh | own)
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
        """Losses of a batch of `PoseBatches`; see `Task.losses`."""
        with accelerator.autocast():
            found = model(batch["ink"].float() / 255)
        parts = pose_losses(found.float(), batch)
        return {"loss": parts["scale"] + parts["quarter"] + 4 * parts["slant"], **parts}

    def evaluate(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Save the network with the other one, and score it; see `Task.evaluate`."""
        own = {POSE_PREFIX + name: one for name, one in trained_weights(self.model).items()}
        extraction = InkExtraction(self.initial | own)
        with new_file(output / INK_EXTRACTION_FILE) as partial:
            extraction.save(partial)
        scores = score_pose(self.model, self.development)
        length = {"steps": progress.step, "minutes": progress.seconds / 60}
        write_json(output / RECORD, {"sha256": extraction.checksum, **length, **scores})
        return scores

    def result(self, output: Path) -> Path:
        """The file with the networks."""
        return output / INK_EXTRACTION_FILE


def pose_losses(found: torch.Tensor, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The losses of what the network tells.

    Args:
        found: `(n, 6)`, in float32; see `InktexInkPose`.
        batch: of `PoseBatches`.

    Returns:
        `scale`, in octaves; `quarter`, the cross-entropy of the right angles in nats; `slant`, of
        what is beyond them, in right angles.
    """
    quarters = torch.round(batch["angle"] / 90)
    return {
        "scale": functional.smooth_l1_loss(found[:, 0], batch["scale"], beta=0.2),
        "quarter": functional.cross_entropy(found[:, 1:5], quarters.long() % 4),
        "slant": functional.smooth_l1_loss(found[:, 5], batch["angle"] / 90 - quarters, beta=0.02),
    }


class PoseBatches(PlannedBatches):
    """Batches of turned ink, and how it is turned.

    `ink` `(n, h, w)`, uint8; `scale` `(n,)`, its binary logarithm, and `angle` `(n,)` in degrees,
    float32.

    Args:
        examples: recorded ink.
        recipe: of the run.
        synthetic: of `synthetic_ink`.
    """

    def __init__(
        self, examples: Sequence[Example], recipe: Recipe, synthetic: SyntheticInk | None
    ) -> None:
        super().__init__(examples, recipe.batch, recipe.augmentation, recipe.seed, synthetic)
        self.pose = recipe.ink_pose or InkPoseConfig()

    def __getitem__(self, plan: Plan) -> dict[str, torch.Tensor]:
        return _stack(
            [
                draw_turned(example, self.draw_angle(rng), rng)
                for example, _, rng in self.varied_ink(plan)
            ]
        )

    def draw_angle(self, rng: np.random.Generator) -> float:
        """Degrees by which an example is turned counterclockwise."""
        kind, angle = rng.random(), float(rng.normal(0, 4))
        if kind < self.pose.turned:
            return angle + float(rng.choice([90.0, 180.0, 270.0]))
        return float(rng.uniform(-45, 45)) if kind < self.pose.turned + self.pose.slanted else angle


Turned = tuple[NDArray[np.float32], float, float]
"""Ink as the network is given it, its scale and its angle in degrees."""


def draw_turned(example: Example, angle: float, rng: np.random.Generator) -> Turned:
    """Ink as an overview shows it: turned, of any scale, soft, with gaps and specks.

    Args:
        example: what is drawn.
        angle: degrees by which it is turned counterclockwise.
        rng: chooses the rest.
    """
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = example.points @ (np.eye(2) + rng.normal(0, 0.02, (2, 2))) @ rotation
    scale = float(np.exp(rng.uniform(*np.log(_SCALES))))
    scale = min(scale, _SIDE / max(float(np.ptp(points, axis=0).max()), 1.0))
    points = ((points - points.min(axis=0)) * scale + 4).astype(np.float32)
    width, height = np.ceil(points.max(axis=0) + 5).astype(int).tolist()
    ink = protocol_ink(np.split(points, example.offsets[1:-1]), scale, (height, width))
    ink = _worn(ink, rng)
    ink = ink if float(ink.max()) > 0.5 else ink / max(float(ink.max()), 1e-6)
    crop, factor, more = pose_input(ink)
    return crop, scale * factor, angle + more


def _worn(ink: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Ink as the other network finds it: soft, in places missing, in places too much."""
    if rng.random() < 0.7:
        ink = ndimage.gaussian_filter(ink, rng.uniform(0.2, 1.0))
        ink = np.clip(ink * rng.uniform(0.9, 1.6), 0, 1)
    height, width = ink.shape
    for _ in range(int(rng.choice([0, 0, 1, 3]))):  # gaps
        y, x, size = rng.integers(height), rng.integers(width), int(rng.integers(2, 12))
        ink[y : y + size, x : x + size] *= np.float32(rng.uniform(0, 0.6))
    for _ in range(int(rng.choice([0, 0, 0, 1, 4]))):  # specks and pieces of lines
        y, x = rng.integers(height), rng.integers(width)
        tall, wide = rng.integers(1, 3 + 10 * (rng.random() < 0.2), 2)
        ink[y : y + tall, x : x + wide] = np.float32(rng.uniform(0.3, 1))
    return np.asarray(ink, dtype=np.float32)


def _stack(drawn: Sequence[Turned]) -> dict[str, torch.Tensor]:
    height, width = (max(one.shape[axis] for one, *_ in drawn) for axis in (0, 1))
    ink = np.zeros((len(drawn), height, width), dtype=np.uint8)
    for place, (one, *_) in zip(ink, drawn, strict=True):
        place[: one.shape[0], : one.shape[1]] = np.rint(one * 255)
    return {
        "ink": torch.from_numpy(ink),
        "scale": torch.tensor([float(np.log2(scale)) for _, scale, _ in drawn]),
        "angle": torch.tensor([angle for *_, angle in drawn]),
    }


def draw_development(examples: Sequence[Example], batches: PoseBatches) -> list[Turned]:
    """Each example turned by an angle from a fixed seed."""
    drawn = []
    for number, example in enumerate(examples):
        rng = np.random.default_rng((8, number))
        drawn.append(draw_turned(example, batches.draw_angle(rng), rng))
    return drawn


@torch.no_grad()
def score_pose(model: InktexInkPose, drawn: Sequence[Turned]) -> dict[str, float]:
    """How well a network does on ink whose scale and angle are known.

    Args:
        model: to score; it is left in training mode if it was.

    Returns:
        `scale_error`, median in octaves; `slant_error`, median in degrees, right angles left out;
        `quarters_right`, the share whose right angles are right.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    scales, slants, quarters = [], [], []
    for one in drawn:
        batch = {key: value.to(device) for key, value in _stack([one]).items()}
        octaves, *logits, more = model(batch["ink"].float() / 255)[0].tolist()
        scales.append(abs(octaves - float(batch["scale"][0])))
        truth = round(one[2] / 90)
        quarters.append(int(np.argmax(logits)) == truth % 4)
        slants.append(abs(90 * more - (one[2] - 90 * truth)))
    model.train(was_training)
    return {
        "scale_error": round(float(np.median(scales)), 4),
        "slant_error": round(float(np.median(slants)), 3),
        "quarters_right": round(float(np.mean(quarters)), 4),
    }
