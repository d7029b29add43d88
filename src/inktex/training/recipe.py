"""A training run, described in YAML; every field can be overridden on the command line."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from inktex.shipped import pretrained_path

from .augmentation import AugmentationConfig
from .batches import BatchConfig
from .synthetic import SynthesisConfig

SHIPPED = "shipped"
"""`init` of recipes that start from the checkpoint that the package ships."""


PICTURES = ("resolution", "margin_before", "margin_after")
"""Fields of `batch` that the weights' image processor has as well: how pictures are drawn."""


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """AdamW (Loshchilov and Hutter 2019): warm-up, a plateau, then a linear way down to zero.

    Attributes:
        learning_rate: on the plateau.
        weight_decay: of matrices and kernels; biases and normalisations are left alone.
        warmup_steps: steps of linear warm-up.
        decay_share: share of the run, at its end, in which the learning rate falls.
        clip: largest norm of the gradient.
        average: decay of the averaged weights, per step (exponential moving average).
        accumulate: batches of each process whose gradients make one step.
        fixed_norms: whether the encoder's batch normalisations keep the statistics that they start
            with, as when it reads: it then changes no more than the losses ask for.
        start_share: share of the weights that the run starts from in those that are saved, the
            rest being the averaged ones; 0 to save these alone. Weights between two that lie so
            near keep nearly all of what both can read (Wortsman et al. 2022, "Robust fine-tuning
            of zero-shot models", https://arxiv.org/abs/2109.01903). Needs `init`.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    beta2: float = 0.98
    warmup_steps: int = 500
    decay_share: float = 0.3
    clip: float = 1.0
    average: float = 0.999
    accumulate: int = 1
    fixed_norms: bool = False
    start_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start_share < 1:
            raise ValueError(
                f"optimizer.start_share must be 0 or more and below 1, not {self.start_share}."
            )
        if self.accumulate < 1:
            raise ValueError(f"optimizer.accumulate must be 1 or more, not {self.accumulate}.")


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the losses, and the label smoothing of the tokens' cross-entropy.

    Attributes:
        tokens: weight of the tokens' cross-entropy, 0 to learn from the others alone.
        label_smoothing: of the cross-entropy.
        symbol: weight of the symbol map's loss.
        guide: weight of that of the guided heads.
        risk: weight of the risk of reading an expression wrongly (`training.risk`), 0 to do
            without; only for the end of a training, when most is read rightly.
        risk_from: share of the run from which on the risk counts.
        chances: how often each picture is read by chance for it.
        consistency: weight of the difference between what is read in the variants of an example
            (`training.consistency`), 0 to do without; needs `batch.variants` of 2 or more.
        distillation: weight of the difference from what the weights that the run starts from read
            in the same ink as published (`training.distillation`), 0 to do without; needs `init`.
    """

    tokens: float = 1.0
    label_smoothing: float = 0.1
    symbol: float = 0.5
    guide: float = 0.3
    risk: float = 0.0
    risk_from: float = 0.0
    chances: int = 2
    consistency: float = 0.0
    distillation: float = 0.0


@dataclass(frozen=True, slots=True)
class RehearsalConfig:
    """Examples of what the weights can read already, mixed in so that they do not forget it.

    Attributes:
        share: of the examples of an epoch, 0 to do without.
        data: as `Recipe.data`: `strokefont` for ink that inktex writes itself, or a folder of
            `scripts/prepare_crohme.py`, of whose `train` split they are.
    """

    share: float = 0.0
    data: str = "strokefont"

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"rehearsal.share must be 0 or more and below 1, not {self.share}.")


@dataclass(frozen=True, slots=True)
class ThinnerConfig:
    """A run that trains the image processor's thinner, alone or with a model.

    Alone (`training.thinning`), it may learn from what the shipped model reads, which stays as it
    is; otherwise (`training.joint`) a model learns to read what it makes of wide pens' strokes.

    Attributes:
        widths: channels at strides 2, 4, 8, ... pixels.
        pens: widths of wide pens to choose from, in pixels.
        nibs: of narrow ones: 3 is the protocol's, 4 draws what is enlarged.
        round: share of the expressions that are drawn with a round pen instead of a square one.
        pixels: weight of the loss of single pixels.
        share: share of a model's pictures that wide pens draw and the thinner thins; 0 if it learns
            alone.
        reader: of one that learns alone: weight of the difference between what the shipped model
            reads in what the thinner makes of a wide pen's strokes, and what in the same ink as
            published; 0 to do without a reader, which costs most of the time.
    """

    widths: tuple[int, ...] = (24, 48, 112, 160)
    pens: tuple[int, ...] = (4, 5, 6, 7, 8)
    nibs: tuple[int, ...] = (3,)
    round: float = 0.0
    pixels: float = 1.0
    share: float = 0.0
    reader: float = 0.0

    def __post_init__(self) -> None:
        if max(self.nibs) > min(self.pens):
            raise ValueError("thinner.pens must not be narrower than thinner.nibs.")
        if not 0 <= self.share <= 1:
            raise ValueError(f"thinner.share must lie between 0 and 1, not {self.share}.")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole run.

    Attributes:
        data: folder or parquet files of `scripts/prepare_crohme.py`, or `strokefont` for ink that
            inktex writes itself.
        splits: of the data, to train on; those of CROHME's earlier competitions can be added to
            `train`.
        init: folder of a checkpoint whose weights to start from; None for fresh ones.
        encoder, decoder: fields of the model's configuration that differ from their defaults, or
            from those of `init`.
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
            which takes some seconds an epoch. A GPU is fast enough to wait for that.
        thinner: of a run that trains a thinner; None for others.
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
    thinner: ThinnerConfig | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "minutes"):
            length = getattr(self, name)
            if length is not None and length <= 0:
                raise ValueError(f"{name} must be above 0, not {length}.")
        if self.loss.consistency and self.batch.variants < 2:
            raise ValueError("loss.consistency compares variants: set batch.variants to 2 or more.")
        if self.loss.distillation and self.init is None:
            raise ValueError("loss.distillation needs a teacher: set init to a checkpoint.")
        if self.optimizer.start_share and self.init is None:
            raise ValueError("optimizer.start_share needs a start: set init to a checkpoint.")
        if self.thinner is not None and self.synthesis.print_share:
            raise ValueError("A thinner learns of pens: set synthesis.print_share to 0.")
        if self.is_joint and self.batch.variants > 1:
            raise ValueError("thinner.share goes with one variant: set batch.variants to 1.")

    @property
    def is_joint(self) -> bool:
        """Whether a model and a thinner learn together."""
        return self.thinner is not None and self.thinner.share > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists, as YAML and JSON want them."""
        return _plain(asdict(self))


RECIPES = Path(__file__).parent / "recipes"
"""The recipes that inktex ships."""


def recipe_path(name: str) -> Path:
    """File of a recipe, given its path or the name of one that inktex ships.

    Raises:
        ValueError: if there is none.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        if Path(name).is_file():
            return Path(name)
    elif (RECIPES / f"{name}.yaml").is_file():
        return RECIPES / f"{name}.yaml"
    known = ", ".join(sorted(path.stem for path in RECIPES.glob("*.yaml")))
    raise ValueError(f"There is no recipe {name!r}. Give a YAML file, or one of: {known}.")


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe of one run and override some of its fields.

    Args:
        path: of the YAML file.
        overrides: `field=value` or `group.field=value`; values are read as YAML.

    Raises:
        ValueError: if a field does not exist, an override has no `=`, or there are stages.
    """
    stages = load_stages(path, overrides)
    if len(stages) > 1:
        raise ValueError(f"{path} describes {len(stages)} runs, not one; load_stages reads them.")
    return stages[0]


def load_stages(path: Path | str, overrides: Sequence[str] = ()) -> list[Recipe]:
    """Read a recipe of one run, or of several that start from one another's weights.

    A file with `stages`, a list, describes a chain: each stage has the fields of the file, and on
    top of them its own.

    Args:
        path: of the YAML file.
        overrides: as for `load_recipe`; they hold for all stages.

    Raises:
        ValueError: if a field does not exist or an override has no `=`.
    """
    content = _read(path)
    stages = content.pop("stages", [{}])
    if not isinstance(stages, list) or not stages or not all(isinstance(s, dict) for s in stages):
        raise ValueError(f"{path}: `stages` is a list of mappings of fields.")
    changes = _nested(overrides)
    return [recipe_from_dict(_merged(_merged(content, stage), changes)) for stage in stages]


def load_variants(path: Path | str, overrides: Sequence[str] = ()) -> dict[str, Recipe]:
    """Read a recipe with `variants`, a mapping of names to fields that differ from the file's.

    Args:
        path: of the YAML file.
        overrides: as for `load_recipe`; they hold for all variants.

    Raises:
        ValueError: if there are no variants, a field does not exist or an override has no `=`.
    """
    content = _read(path)
    variants = content.pop("variants", None)
    if not isinstance(variants, dict) or not variants:
        raise ValueError(f"{path} has no `variants`, a mapping of names to fields.")
    changes = _nested(overrides)
    return {
        str(name): recipe_from_dict(_merged(_merged(content, variant), changes))
        for name, variant in variants.items()
    }


def _read(path: Path | str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        content = yaml.safe_load(file) or {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a recipe is a YAML mapping of fields, not {type(content)}.")
    return content


def _nested(overrides: Sequence[str]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise ValueError(f"Write an override as field=value, not {override!r}.")
        *groups, last = name.strip().split(".")
        target = changes
        for group in groups:
            target = target.setdefault(group, {})
        target[last] = yaml.safe_load(value)
    return changes


def _merged(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings with others on top."""
    merged = dict(content)
    for name, value in changes.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(before, value) if both else value  # type: ignore[arg-type]
    return merged


def recipe_from_dict(content: Mapping[str, Any]) -> Recipe:
    """Recipe from the plain dictionaries of a YAML file.

    A recipe that starts from weights (`init`) and does not say at what resolution and with what
    margins pictures are drawn takes what the weights' own image processor has.

    Raises:
        ValueError: if a field does not exist.
    """
    recipe: Recipe = _build(Recipe, _with_settings_of_start(content), "")
    if (recipe.steps is None) == (recipe.minutes is None):
        raise ValueError(
            "A recipe needs exactly one of steps and minutes; add for example "
            "`--set steps=20000` (and `--set minutes=null`)."
        )
    return recipe


def _with_settings_of_start(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content, what it does not name of `PICTURES` taken from the weights that it starts from.

    Weights that are not there yet, or have no image processor beside them, add nothing.
    """
    init, batch = content.get("init"), content.get("batch") or {}
    missing = [name for name in PICTURES if name not in batch]
    if init is None or not missing:
        return content
    from transformers.utils import cached_file  # only here: it takes seconds to import

    path = cached_file(
        str(pretrained_path() if init == SHIPPED else init),
        "processor_config.json",
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None:
        return content
    settings = json.loads(Path(path).read_text(encoding="utf-8")).get("image_processor", {})
    known = {name: settings[name] for name in missing if name in settings}
    return {**content, "batch": {**known, **batch}}


_PARTS = {
    "batch": BatchConfig,
    "augmentation": AugmentationConfig,
    "synthesis": SynthesisConfig,
    "optimizer": OptimizerConfig,
    "loss": LossConfig,
    "rehearsal": RehearsalConfig,
    "thinner": ThinnerConfig,
}


def _build(kind: Any, content: Mapping[str, Any], where: str) -> Any:
    known = {f.name for f in fields(kind)}
    unknown = sorted(set(content) - known)
    if unknown:
        raise ValueError(
            f"Unknown field {where}{unknown[0]}. Fields here: {', '.join(sorted(known))}."
        )
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in content.items():
        if name in _PARTS and isinstance(value, Mapping):
            value = _build(_PARTS[name], value, f"{where}{name}.")
        elif isinstance(value, list):
            value = tuple(value)
        elif hints[name] is float and isinstance(value, int | str):
            value = _number(value, f"{where}{name}")  # YAML reads 1e-3 as text
        elif hints[name] in (int, int | None, float | None) and isinstance(value, str):
            raise ValueError(f"{where}{name} is a number, not {value!r}.")
        values[name] = value
    return kind(**values)


def _number(value: int | str, name: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} is a number, not {value!r}.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    return value
