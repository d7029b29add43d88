"""What weights were trained on, as their card names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

_CROHME: Final = "CROHME training ink (CC BY-NC-SA 3.0)"
_HANDS: Final = {
    "detexify": (
        "drawings of symbols from [Detexify](https://detexify.kirelabs.org), made available under "
        "the [Open Database License](https://github.com/kirel/detexify-data)"
    ),
    "unipen": (
        "single characters of UNIPEN's train_r01_v07 "
        "([doi 10.5281/zenodo.1195803](https://doi.org/10.5281/zenodo.1195803), CC BY 4.0)"
    ),
}
_CAPTIONS: Final = (
    "formulas of open textbooks and documentation as captions: QuantEcon lectures, Napkin, Dive "
    "into Deep Learning, OpenIntro Statistics, the HoTT book, the Stacks project, the Finite "
    "Difference book, CFD Python, the Qiskit textbook, SciPy's documentation, A First Course in "
    "Linear Algebra, APEX Calculus, Basic Analysis, Differential Equations for Engineers"
)


def training_data(recipe: Mapping[str, Any]) -> str:
    """The sources of a recipe with their licences, as a sentence without its point.

    Args:
        recipe: the content of a run's `recipe.json`.
    """
    splits = recipe.get("splits", ["train"])
    ink = _CROHME
    if splits == ["train"]:
        ink += ", its train split alone"
    else:
        years = [split.removeprefix("test") for split in splits if split.startswith("test")]
        ink += f", with the test ink of {', '.join(years)}"
    found = [ink]
    synthesis = recipe.get("synthesis", {})
    if synthesis.get("share"):
        for file in synthesis.get("hands", ()):
            name = PurePath(file).stem
            found.append(_HANDS.get(name, name))
        if synthesis.get("fonts"):
            found.append(
                "glyphs of handwriting fonts (OFL-1.1, Apache-2.0 and other free licences)"
            )
        if synthesis.get("wide"):
            found.append(_CAPTIONS)
        if synthesis.get("print") and synthesis.get("print_share"):
            found.append("formulas typeset in Latin Modern, STIX Two and TeX Gyre")
    return "; ".join(found)
