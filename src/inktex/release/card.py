"""The model card, written from what was recorded and measured, never by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from huggingface_hub import EvalResult, ModelCardData

from ..files import template

LIMITS: Final = """\
One line of mathematics in the grammar of CROHME: no matrices, no several lines, no words. Letters
that CROHME's training ink lacks are not read. The score is the model's probability of the whole
expression, at a temperature fitted on the development split; on other ink it may be too sure."""
"""What the model cannot do, for all who show it."""

_REPOSITORY = "FOLDER_OR_REPOSITORY"


def model_card(
    record: Mapping[str, Any],
    repository: str = _REPOSITORY,
    examples: Sequence[tuple[str, str, float]] = (),
) -> str:
    """The card of a checkpoint.

    Args:
        record: the content of its `training.json`.
        repository: its name on the Hub.
        examples: pictures in the folder `examples`, what was read in them, and the score.

    Returns:
        Markdown with the Hub's front matter, the scores in its model index.
    """
    data = ModelCardData(
        license="cc-by-nc-sa-3.0",
        library_name="transformers",
        pipeline_tag="image-to-text",
        tags=["handwriting", "mathematics", "latex", "crohme"],
        metrics=["exprate"],
        model_name="inktex",
        eval_results=[
            _result(name, scores) for name, scores in record["scores"].items() if _is_crohme(name)
        ],
    )
    text = template(__file__, "card.md").format(
        parameters=record["parameters"] / 1e6,
        examples=_examples(examples),
        repository=repository,
        table=score_table(record["scores"]),
        data=record["data"],
        name=record["recipe"]["name"],
        commit=record["commit"],
        compute=_compute(record),
        stroke_restoration=_stroke_restoration(record.get("thinner")),
        ink_extraction=_ink_extraction(record.get("ink_extraction")),
        limits=LIMITS,
        licence=record["weights_licence"],
    )
    return f"---\n{data.to_yaml()}\n---\n{text}"


def training_minutes(record: Mapping[str, Any]) -> dict[str, float]:
    """Minutes that all runs took which a checkpoint comes from, by what they were computed on.

    Each began with the weights of the one before, or its weights were averaged with theirs.

    Args:
        record: as `training.json` has it.
    """
    minutes: dict[str, float] = {}
    cores: int | None = None
    counted: list[dict[str, Any]] = []
    averaged: list[Mapping[str, Any]] = []
    entry: Mapping[str, Any] | None = record
    while entry:
        counted.append({**entry["recipe"], "init": None})  # it is told in more than one way
        averaged += [one["run"] for one in entry.get("averaged") or () if one.get("run")]
        planned = entry["recipe"].get("minutes")
        measured = max((one["minutes"] for one in entry.get("validations", ())), default=0.0)
        stopped = entry.get("stopped_after") or {}
        # Runs of before there was `machine` have `cores`, or nothing if it is the same as later.
        cores = entry.get("cores", cores)
        machine = entry.get("machine") or {"cores": cores}
        where = _where(machine)
        minutes[where] = minutes.get(where, 0.0) + (stopped.get("minutes") or planned or measured)
        entry = entry.get("started_from")
    for run in averaged:
        recipe = {**run["recipe"], "init": None}
        if recipe not in counted:  # most have begun with one another
            counted.append(recipe)
            where = _where(run["machine"])
            minutes[where] = minutes.get(where, 0.0) + (recipe.get("minutes") or 0.0)
    return minutes


def _where(machine: Mapping[str, Any]) -> str:
    """What a run was computed on; nothing if that is not known."""
    if machine.get("gpu"):
        return f"{machine['processes']} {machine['gpu']}"
    return f"{machine['cores']} CPU cores" if machine.get("cores") else ""


def _stroke_restoration(record: Mapping[str, Any] | None) -> str:
    """What the network for wide strokes is, and what it is worth."""
    if not record:
        return ""
    before, after = (f"{100 * record[key]:.2f} %" for key in ("wrong_before", "wrong"))
    recipe, width = record["recipe"]["name"], record["pen"]
    spent = _spent(record)
    return f"""
A small network of the image processor restores what wide strokes filled, before the model reads
(`stroke_restoration.safetensors`; recipe `{recipe}`, {spent}). Of the ink of strokes of {width}
pixels it leaves {after} unlike the published picture; without it, {before} are.
"""


def _ink_extraction(record: Mapping[str, Any] | None) -> str:
    """What the network for photos is, and what it is worth."""
    if not record:
        return ""
    recipe, overlap = record["recipe"]["name"], f"{100 * record['ink_f1']:.1f} %"
    return f"""
Another one can find the formula's ink in photos, where the setting `photo_ink` asks for it
(`ink_extraction.safetensors`; recipe `{recipe}`, {_spent(record)}). It was trained on drawn
pictures alone; of the ink in such pictures of the development ink it finds {overlap} (F1).
"""


def _spent(record: Mapping[str, Any]) -> str:
    """Minutes that the runs of a network took, by what they were computed on."""
    minutes: dict[str, float] = {}
    run: Mapping[str, Any] | None = record
    while run:
        where = _where(run["machine"])
        minutes[where] = minutes.get(where, 0.0) + run["minutes"]
        run = run["started_from"]
    return " and ".join(f"{value:.0f} minutes on {where}" for where, value in minutes.items())


def _compute(record: Mapping[str, Any]) -> str:
    known = {where: spent for where, spent in training_minutes(record).items() if where and spent}
    parts = [
        f"{spent / 60:.1f} hours on {where}" if spent >= 60 else f"{spent:.0f} minutes on {where}"
        for where, spent in sorted(known.items(), key=lambda item: -item[1])
    ]
    return f"{' and '.join(parts)} in all; " if parts else ""


def _is_crohme(name: str) -> bool:
    """Whether an evaluation is of CROHME's ink, by its name."""
    return name.partition("-")[0] in ("dev", "2014", "2016")


def _result(name: str, scores: Mapping[str, Any]) -> EvalResult:
    """An entry of the model index for an evaluation of CROHME's ink."""
    return EvalResult(
        task_type="image-to-text",
        dataset_type="crohme",
        dataset_name=f"CROHME {name.partition('-')[0]}",
        dataset_config=name,
        dataset_split="test" if not name.startswith("dev") else "train",
        metric_type="exprate",
        metric_name=f"ExpRate ({scores['preset']}, alphabet {scores.get('alphabet', 'all')})",
        metric_value=round(100 * scores["exp_rate"], 2),
    )


def _examples(examples: Sequence[tuple[str, str, float]]) -> str:
    if not examples:
        return ""
    rows = [
        f'| <img src="examples/{name}" height="60" alt="handwritten formula"> '
        f"| `{latex.replace('|', chr(92) + '|')}` | {100 * score:.0f} % |"
        for name, latex, score in examples
    ]
    return "\n" + "\n".join(["| picture | read as | sure |", "|---|---|---|", *rows]) + "\n"


def score_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Scores in percent as a Markdown table, a row a test set.

    Args:
        scores: name of the evaluation to its scores, as `training.json` has them; those of 0.1 have
            no alphabet.
    """
    lines = [
        "| test set | expressions | ExpRate | ≤ 1 | ≤ 2 | ≤ 3 | token error rate | preset "
        "| alphabet |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in scores.items():
        rates = ("exp_rate", "exp_rate_1", "exp_rate_2", "exp_rate_3", "token_error_rate")
        cells = [f"{100 * entry[rate]:.2f}" for rate in rates]
        settings = (entry["preset"], entry.get("alphabet", "all"))
        lines.append(f"| {name} | {entry['expressions']} | {' | '.join((*cells, *settings))} |")
    return "\n".join(lines)
