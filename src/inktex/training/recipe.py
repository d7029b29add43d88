"""Reading recipes: YAML files that extend one another, overrides, and names of earlier versions."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from inktex.shipped import pretrained_path

from .recipe_fields import SHIPPED, Recipe

__all__ = [
    "RECIPES",
    "Recipe",
    "load_recipe",
    "recipe_from_dict",
    "recipe_path",
    "stored_recipe",
]

RECIPES = Path(__file__).parent / "recipes"
"""The recipes that inktex ships."""
_PROCESSOR_FIELDS = ("resolution", "margin_before", "margin_after")
"""Fields of `batch` that default to those of the initial weights' image processor."""
_RENAMED = {
    "thinner": "stroke_restoration",
    "stroke_restoration.widths": "stroke_restoration.channels",
    "stroke_restoration.pens": "stroke_restoration.stroke_widths",
    "stroke_restoration.nibs": "stroke_restoration.target_widths",
    "augmentation.tokens": "augmentation.token_noise",
    "augmentation.pens": "augmentation.stroke_widths",
    "augmentation.wide_pens": "augmentation.wide_strokes",
    "augmentation.given": "augmentation.degraded",
    "augmentation.given_pens": "augmentation.degraded_stroke_widths",
    "synthesis.morphing": "synthesis.shape_interpolation",
    "optimizer.fixed_norms": "optimizer.freeze_batch_norm",
    "loss.symbol": "loss.symbol_map",
    "loss.guide": "loss.attention_supervision",
    "loss.risk": "loss.mrt",
    "loss.risk_from": "loss.mrt_from",
    "loss.chances": "loss.mrt_samples",
}
"""Names of fields in version 0.1, and what they are called now."""
_REMOVED = {
    "batch.variants": 1,
    "batch.multiple": 1,
    "loss.tokens": 1.0,
    "loss.consistency": 0.0,
    "stroke_restoration.pixels": 1.0,
    "stroke_restoration.share": 0.0,
    "stroke_restoration.reader": 0.0,
}
"""Fields that only version 0.1 has, and the values at which they change nothing."""
_RECIPES_RENAMED = {"thinner": "stroke_restoration"}


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
    known = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    new = [_RECIPES_RENAMED[name]] if name in _RECIPES_RENAMED else get_close_matches(name, known)
    hint = f" Did you mean {new[0]}?" if new else ""
    raise ValueError(
        f"There is no recipe {name!r}.{hint} Give a YAML file, or one of: {', '.join(known)}."
    )


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and override some of its fields.

    A file with `extends`, the name or the path of another recipe, has that recipe's fields but for
    those that it sets itself.

    Args:
        overrides: `field=value` or `group.field=value`; values are read as YAML.

    Raises:
        ValueError: if a field does not exist or has a value that does not suit it, an override has
            no `=`, or a recipe extends itself.
    """
    return recipe_from_dict(_merged(_read(Path(path), ()), _nested(overrides)))


def recipe_from_dict(content: Mapping[str, Any]) -> Recipe:
    """Recipe from the plain dictionaries of a YAML file.

    A recipe that starts from weights (`init`) and does not set the resolution and the margins of
    the pictures has those of the weights' image processor.

    Raises:
        ValueError: if a field does not exist, or has a value that does not suit it.
    """
    recipe: Recipe = _build(Recipe, content, "")
    if recipe.init is None:
        return recipe
    batch = content.get("batch", {})
    settings = _processor_settings(recipe.init) if not {*_PROCESSOR_FIELDS} <= {*batch} else {}
    known = {name: settings[name] for name in _PROCESSOR_FIELDS if name in settings}
    found: Recipe = _build(Recipe, {**content, "batch": {**known, **batch}}, "")
    return found


def stored_recipe(path: Path) -> Recipe:
    """The recipe that a run of this version or of 0.1 has written beside its checkpoints.

    Raises:
        ValueError: if it has a field that this version cannot honour.
        OSError: if it cannot be read.
    """
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for old, new in _RENAMED.items():
        group, name = _group(content, old)
        if name in group:
            _group(content, new)[0][new.rpartition(".")[2]] = group.pop(name)
    for old, neutral in _REMOVED.items():
        group, name = _group(content, old)
        value = group.pop(name, neutral)
        if value != neutral:
            raise ValueError(
                f"{path} has {old} = {value}, which this version does not know: go on with the "
                "version that began the run."
            )
    return recipe_from_dict(content)


def _group(content: dict[str, Any], field: str) -> tuple[dict[str, Any], str]:
    """The mapping that a dotted field is in (an empty one if there is none), and its last name."""
    group, _, name = field.rpartition(".")
    return (content.get(group) or {}) if group else content, name


def _read(path: Path, inner: tuple[Path, ...]) -> dict[str, Any]:
    """Content of a file, merged into that of the recipe that it extends. `inner`: files so far."""
    if path.resolve() in inner:
        raise ValueError(f"{path} extends itself.")
    with open(path, encoding="utf-8") as file:
        content = yaml.safe_load(file) or {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a recipe is a YAML mapping of fields, not {type(content)}.")
    base = content.pop("extends", None)
    if base is None:
        return content
    beside = path.parent / str(base)
    base_path = beside if beside.is_file() else recipe_path(str(base))
    return _merged(_read(base_path, (*inner, path.resolve())), content)


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
    merged = copy.deepcopy(dict(content))
    for name, value in changes.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(before, value) if both else value  # type: ignore[arg-type]
    return merged


def _processor_settings(init: str) -> dict[str, Any]:
    """Settings of the image processor beside weights; empty if they have none."""
    path = Path(pretrained_path() if init == SHIPPED else init) / "processor_config.json"
    found: str | Path | None = path if path.is_file() else None
    if found is None and not path.parent.is_dir():
        from transformers.utils import cached_file  # only here: it takes seconds to import

        found = cached_file(
            init,
            path.name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    if found is None:
        return {}
    content = json.loads(Path(found).read_text(encoding="utf-8"))
    settings: dict[str, Any] = content.get("image_processor", {})
    return settings


def _build(kind: Any, content: Mapping[str, Any], where: str) -> Any:
    """A configuration class from a mapping. `where`: of its fields, with a dot at the end."""
    known = sorted(one.name for one in fields(kind))
    for name in content:
        if name not in known:
            raise ValueError(_unknown(f"{where}{name}", known))
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], content[name], where + name) for name in content})


def _unknown(field: str, known: Sequence[str]) -> str:
    where, dot, name = field.rpartition(".")
    if field in _RENAMED:
        return f"{field} is now called {_RENAMED[field]}."
    if field in _REMOVED:
        return f"{field} was removed after version 0.1."
    close = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {where}{dot}{close[0]}?" if close else ""
    return f"Unknown field {field}.{hint} Fields here: {', '.join(known)}."


def _value(hint: Any, value: Any, name: str) -> Any:
    """A value of a field, checked and converted by the field's type hint."""
    options = get_args(hint) if NoneType in get_args(hint) else (hint,)
    if value is None:
        if NoneType in options:
            return None
        raise ValueError(f"{name} must have a value.")
    kind, origin = options[0], get_origin(options[0])
    if is_dataclass(kind) or origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} is a group of fields, not {value!r}.")
        return dict(value) if origin is dict else _build(kind, value, f"{name}.")
    if origin is tuple:
        kinds = get_args(kind)
        if not isinstance(value, list | tuple) or (len(value) != len(kinds) and ... not in kinds):
            raise ValueError(f"{name} is a list{_length(kinds)}, not {value!r}.")
        return tuple(_value(kinds[0], one, name) for one in value)
    if kind is str or kind is bool:
        if not isinstance(value, kind):
            what = "text" if kind is str else "true or false"
            raise ValueError(f"{name} is {what}, not {value!r}.")
        return value
    return _number(kind, value, name)


def _length(kinds: Sequence[Any]) -> str:
    return "" if ... in kinds else f" of {len(kinds)}"


def _number(kind: type[int] | type[float], value: Any, name: str) -> int | float:
    try:
        number = float(value)  # YAML reads 1e-3 as text
    except (TypeError, ValueError):
        raise ValueError(f"{name} is a number, not {value!r}.") from None
    if isinstance(value, bool) or (kind is int and not isinstance(value, int)):
        whole = "whole " if kind is int else ""
        raise ValueError(f"{name} is a {whole}number, not {value!r}.")
    return value if kind is int else number
