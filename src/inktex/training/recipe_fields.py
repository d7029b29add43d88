"""The fields of a recipe, with their defaults and ranges."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from inktex.data.augmentation import AugmentationConfig

from .plans import BatchConfig
from .synthetic import SynthesisConfig

SHIPPED = "shipped"
"""`init` of recipes that start from the checkpoint that the package ships."""


OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """AdamW (Loshchilov and Hutter 2019) or Muon: linear warm-up, a plateau, linear decay to zero.

    Attributes:
        name: `adamw`, or `muon`, which takes the same learning rate; see `muon.Muon`.
        learning_rate: on the plateau.
        weight_decay: of matrices and kernels; biases and normalizations are not decayed.
        beta2: decay of the squared gradients' average.
        warmup_steps: steps of linear warm-up.
        decay_share: share of the run, at its end, in which the learning rate falls.
        clip: largest norm of the gradient.
        average: decay of the averaged weights, per step (exponential moving average).
        accumulate: batches of each process whose gradients make one step.
        freeze_batch_norm: whether the encoder's batch normalizations keep the statistics that they
            start with, as at inference.
        start_share: share of the initial weights in the weights that are saved, the rest being the
            averaged ones; 0 to save these alone. It keeps most of what the initial weights
            recognize (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models",
            https://arxiv.org/abs/2109.01903). Needs `init`.
    """

    name: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    beta2: float = 0.98
    warmup_steps: int = 500
    decay_share: float = 0.3
    clip: float = 1.0
    average: float = 0.999
    accumulate: int = 1
    freeze_batch_norm: bool = False
    start_share: float = 0.0

    def __post_init__(self) -> None:
        _check_share("optimizer.start_share", self.start_share)
        if self.name not in OPTIMIZERS:
            raise ValueError(
                f"optimizer.name must be one of {', '.join(OPTIMIZERS)}, not {self.name!r}."
            )
        if self.accumulate < 1:
            raise ValueError(f"optimizer.accumulate must be 1 or more, not {self.accumulate}.")


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the losses that are added to the cross-entropy of the tokens.

    Attributes:
        label_smoothing: of the tokens' cross-entropy.
        symbol_map: weight of the loss of the per-cell symbol classification.
        attention_supervision: weight of the cross-entropy between the supervised heads' attention
            and the ink of the symbol.
        mrt: weight of the expected error of the whole expression (minimum-risk training,
            `mrt.py`), 0 to do without. It helps only late in a training.
        mrt_from: share of the run from which on it counts.
        mrt_samples: sequences that are sampled of each picture for it.
        distillation: weight of the difference from what `teacher` reads in recorded ink
            (`distillation.py`), 0 to do without.
        teacher: folder of the checkpoint that teaches, or `shipped`.
    """

    label_smoothing: float = 0.1
    symbol_map: float = 0.5
    attention_supervision: float = 0.3
    mrt: float = 0.0
    mrt_from: float = 0.0
    mrt_samples: int = 2
    distillation: float = 0.0
    teacher: str | None = None

    def __post_init__(self) -> None:
        if self.distillation and self.teacher is None:
            raise ValueError("loss.distillation needs a teacher: set loss.teacher to a checkpoint.")


@dataclass(frozen=True, slots=True)
class RehearsalConfig:
    """Examples that the initial weights can read, mixed in against forgetting.

    Attributes:
        share: of the examples of an epoch, 0 to do without.
        data: as `Recipe.data`: `strokefont` for generated ink, or a folder of
            `scripts/prepare_crohme.py`, whose `train` split is used.
    """

    share: float = 0.0
    data: str = "strokefont"

    def __post_init__(self) -> None:
        _check_share("rehearsal.share", self.share)


@dataclass(frozen=True, slots=True)
class StrokeRestorationConfig:
    """A run that trains the image processor's stroke restoration network instead of a model.

    Attributes:
        channels: of the network at strides 2, 4, 8, ... pixels.
        stroke_widths: of the wide strokes to choose from, in pixels.
        target_widths: of the narrow strokes to choose from, in pixels: 3 is the protocol's, 4
            draws ink that is enlarged.
        round: share of the expressions that are drawn with round instead of square brushes.
    """

    channels: tuple[int, ...] = (24, 48, 112, 160)
    stroke_widths: tuple[int, ...] = (4, 5, 6, 7, 8)
    target_widths: tuple[int, ...] = (3,)
    round: float = 0.0

    def __post_init__(self) -> None:
        if max(self.target_widths) > min(self.stroke_widths):
            raise ValueError(
                "stroke_restoration.stroke_widths must not be narrower than target_widths."
            )


@dataclass(frozen=True, slots=True)
class InkExtractionConfig:
    """A run that trains the image processor's ink extraction network instead of a model.

    Attributes:
        channels: of the network at strides 2, 4, 8, ... pixels.
        filling: least and greatest share of the picture's side that the formula fills, where it is
            not enlarged beyond the scale that the batches ask for.
        empty: share of the pictures without a formula.
        printed: share of the pictures that show a typeset formula of `synthesis.print`.
        enlarged: share of the pictures that a few symbols fill, however large the picture is.
        slanted: share of the pictures that are turned by up to 45 degrees.
        turned: share of the pictures that are turned by a quarter or half.
    """

    channels: tuple[int, ...] = (24, 40, 56, 72, 88)
    filling: tuple[float, float] = (0.3, 1.0)
    empty: float = 0.08
    printed: float = 0.0
    enlarged: float = 0.15
    slanted: float = 0.15
    turned: float = 0.1

    def __post_init__(self) -> None:
        _check_share("ink_extraction.empty", self.empty)
        _check_share("ink_extraction.printed", self.printed)
        _check_share("ink_extraction.enlarged", self.enlarged)
        _check_share("ink_extraction.slanted", self.slanted)
        _check_share("ink_extraction.turned", self.turned)
        if not 0 < self.filling[0] <= self.filling[1] <= 1:
            raise ValueError("ink_extraction.filling must lie above 0 and up to 1, ascending.")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole run.

    Attributes:
        name: of the run's folder.
        seed: of everything random.
        data: folder or parquet files of `scripts/prepare_crohme.py`, folder of custom data, or
            `strokefont` for generated ink.
        splits: of the data, to train on; those of CROHME's earlier competitions can be added to
            `train`.
        init: folder of a checkpoint whose weights to start from; None for fresh ones.
        encoder, decoder: fields of the model's configuration that differ from their defaults, or
            from those of `init`.
        batch, augmentation, synthesis, optimizer, loss, rehearsal: see their classes.
            `augmentation: null` trains without.
        steps: length of the run in optimizer steps; None to let `minutes` decide.
        minutes: length of the run in minutes of training, where `steps` is None. Such a run is not
            repeatable to the bit.
        validate_every: steps between evaluations on the development split.
        save_every: steps between checkpoints.
        log_every: steps between points of the loss curve, each the mean since the one before.
        precision: of the products: `no` (float32), `bf16`, `fp16`, or `auto`: `bf16` where the
            machine computes in it faster, `no` elsewhere.
        workers: processes that draw batches; 0 draws them in the training process.
        planners: processes that plan the epochs to come; 0 plans them in the training process,
            which takes some seconds an epoch, for which a GPU would wait.
        stroke_restoration, ink_extraction: of a run that trains that network; None for a model.
    """

    name: str = "base"
    seed: int = 0
    data: str = "data/crohme"
    splits: tuple[str, ...] = ("train",)
    init: str | None = None
    encoder: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    batch: BatchConfig = field(default_factory=BatchConfig)
    augmentation: AugmentationConfig | None = field(default_factory=AugmentationConfig)
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    rehearsal: RehearsalConfig = field(default_factory=RehearsalConfig)
    steps: int | None = None
    minutes: float | None = None
    validate_every: int = 1000
    save_every: int = 500
    log_every: int = 50
    precision: str = "no"
    workers: int = 1
    planners: int = 0
    stroke_restoration: StrokeRestorationConfig | None = None
    ink_extraction: InkExtractionConfig | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "minutes"):
            length = getattr(self, name)
            if length is not None and length <= 0:
                raise ValueError(f"{name} must be above 0, not {length}.")
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(
                "A recipe needs exactly one of steps and minutes; add for example "
                "`--set steps=20000` (and `--set minutes=null`)."
            )
        if self.optimizer.start_share and self.init is None:
            raise ValueError("optimizer.start_share needs a start: set init to a checkpoint.")
        if self.trains_pictures and self.synthesis.print_share:
            raise ValueError(
                "Networks of the image processor learn from ink: set synthesis.print_share to 0."
            )

    @property
    def trains_pictures(self) -> bool:
        """Whether a network of the image processor is trained instead of a model."""
        return self.stroke_restoration is not None or self.ink_extraction is not None

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain dictionaries and lists, as JSON has them."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content


def _check_share(name: str, share: float) -> None:
    if not 0 <= share < 1:
        raise ValueError(f"{name} must be 0 or more and below 1, not {share}.")
