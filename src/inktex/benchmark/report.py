"""What was measured, as a table, a plot, and the generated part of a document."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from inktex.files import new_file, write_text

__all__ = ["markdown", "plot", "put_into", "summary"]

NAMES: Final = {
    "torch-fast": "inktex, `fast`, with torch",
    "torch-accurate": "inktex, `accurate`",
    "onnx": "inktex, `fast`",
    "onnx-int8": "inktex, `fast`, INT8",
    "classical": "DenseNet of 3×16 layers, decoder without cache",
    "trocr-small": "VisionEncoderDecoder of TrOCR-small's size",
    "pp-formulanet": "PP-FormulaNet of transformers",
}
REFERENCE: Final = "torch-fast"
"""Read first, on every machine: tells how many tokens the others are to write."""
COMPARED: Final = {"onnx": "`fast`", "onnx-int8": "INT8", "torch-fast": "torch"}
"""With what the others are compared, and the heads of these columns; first what is read with if
nobody chooses."""
_BEGIN, _END = "<!-- generated: {} -->", "<!-- end of what was generated -->"


def markdown(results: dict[str, Any]) -> str:
    """Tables of everything, ratios first."""
    systems, growth = results["systems"], results["growth"]
    lines = [
        f"{results['pictures']} pictures of {results['source']}, one thread; of "
        f"{results['repeats']} reading(s) of each the median counts; {growth['machine']}, torch "
        f"{growth['torch']}. Times are of the processor, in milliseconds, with wall time of the "
        "median in brackets. A system that read fewer pictures, from all over them, is compared by "
        "these.",
        "",
        f"| system | pictures | {' | '.join(f'times {name}' for name in COMPARED.values())} "
        "| p50 | p90 | p99 | pictures a second | in batches | MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in systems.items():
        cpu = 1000 * np.array(one["cpu"])
        ratio = " | ".join(
            f"{_times(systems, name, other):.2f}" if other in systems else "" for other in COMPARED
        )
        batched = one["batched_cpu"]
        lines.append(
            f"| {NAMES.get(name, name)} | {len(cpu)} | {ratio} | {np.median(cpu):.1f} "
            f"({1000 * np.median(one['wall']):.1f}) | {np.quantile(cpu, 0.9):.1f} | "
            f"{np.quantile(cpu, 0.99):.1f} | {1000 / cpu.mean():.1f} | "
            f"{'' if batched is None else f'{1 / batched:.1f}'} | {one['megabytes']:.0f} |"
        )
    lines += ["", *_floor(results)]
    return "\n".join(lines) + "\n"


def summary(results: dict[str, Any]) -> str:
    """The figures that matter most, in a sentence or two."""
    systems = results["systems"]
    fast = next(name for name in COMPARED if name in systems)
    own = 1000 * np.median(systems[fast]["cpu"])
    text = (
        f"On one thread `fast` takes {own:.0f} ms a picture "
        f"({results['growth']['machine']}, the median of {results['pictures']} pictures of "
        f"{results['source']})"
    )
    others = [
        f"{NAMES.get(name, name)} {_times(systems, name, fast):.2g} times as long"
        for name in systems
        if name != fast
    ]
    return f"{text}; {', '.join(others)}." if others else f"{text}."


def _times(systems: dict[str, Any], name: str, other: str) -> float:
    """How many times as long as another a system takes, the median of the pictures of both."""
    one, two = systems[name], systems[other]
    every = math.lcm(one["every"], two["every"])
    return float(
        np.median(one["cpu"][:: every // one["every"]])
        / np.median(two["cpu"][:: every // two["every"]])
    )


def _floor(results: dict[str, Any]) -> list[str]:
    """Where the time goes, what it would be at the processor's peak, and how it grows."""
    growth = results["growth"]
    peak = growth["peak_flops"]
    lines = [
        f"The core's peak is {peak / 1e9:.0f} GFLOP/s (a product of matrices of 1024×1024). At it "
        f"the encoder would take {1000 * growth['encoder_flops'] / peak:.2f} ms for the median "
        f"picture ({growth['encoder_flops'] / 1e9:.2f} GFLOP), the decoder "
        f"{1000 * growth['token_flops'] / peak:.3f} ms a token "
        f"({growth['token_flops'] / 1e6:.1f} MFLOP). At a token the decoder reads "
        f"{growth['token_bytes'] / 1e6:.1f} MB of weights, which takes "
        f"{1000 * growth['token_bytes'] / growth['bandwidth']:.2f} ms from memory "
        f"({growth['bandwidth'] / 1e9:.1f} GB/s).",
    ]
    stages = results["systems"].get(REFERENCE, {}).get("stages")
    if stages:
        lines += [
            "",
            "| of `fast` with torch | ms, the median |",
            "|---|---|",
            *(f"| {name} | {1000 * seconds:.2f} |" for name, seconds in stages.items()),
        ]
    lines += [
        "",
        f"Encoding grows with the picture's area to the power of {growth['area_exponent']:.2f}, "
        f"decoding with the number of tokens to the power of {growth['length_exponent']:.2f}.",
        "",
        *_start(results["start"]),
    ]
    return lines


def _start(start: dict[str, list[float]]) -> list[str]:
    """What it takes to begin."""
    own, libraries, answer, torch = (
        start[name] for name in ("import", "libraries", "answer", "answer_torch")
    )
    return [
        f"`import inktex` takes {own[1]:.2f} s, {own[1] / libraries[1]:.2g} times as long as "
        f"importing torch and transformers without any model ({libraries[1]:.2f} s). `inktex "
        f"recognize PICTURE` has answered after {answer[1]:.2f} s ({answer[0]:.2f} s of the "
        f"processor), with `--engine torch` after {torch[1]:.2f} s ({torch[0]:.2f} s).",
    ]


def plot(results: dict[str, Any], path: Path) -> None:
    """Latency of every system, and growth with area and length.

    Args:
        results: what was measured.
        path: of the PNG to write.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    systems, growth = results["systems"], results["growth"]
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), width_ratios=(1.6, 1, 1))
    labels = [NAMES.get(name, name).replace("`", "") for name in systems]
    times = [1000 * np.array(one["cpu"]) for one in systems.values()]
    rows = np.arange(len(times))[::-1]
    middle = np.array([np.median(one) for one in times])
    high = np.array([np.quantile(one, 0.9) for one in times])
    colours = ["#0b6e4f" if label.startswith("inktex") else "#9a9a9a" for label in labels]
    axes[0].barh(rows, middle, color=colours)
    axes[0].plot(high, rows, "|", color="black", markersize=12)
    for row, value, end in zip(rows, middle, np.maximum(middle, high), strict=True):
        axes[0].annotate(f"  {value:.0f}", (end, row), va="center", fontsize=9, color="black")
    axes[0].set(yticks=rows, yticklabels=labels, xscale="log", xlabel="ms a picture, one thread")
    axes[0].set_xlim(min(1.0, middle.min() / 2), 3 * high.max())
    axes[0].set_title("Time of the processor: median (bar), p90 (mark)")
    for axis, kind, label in (
        (axes[1], "area", "pixels of the picture"),
        (axes[2], "length", "tokens written"),
    ):
        x, y = np.array(growth[f"{kind}s"]).T
        axis.loglog(x, 1000 * y, "o-", color="#0b6e4f")
        axis.loglog(x, 1000 * y[-1] * x / x[-1], "--", color="#9a9a9a", label="linear")
        name = "Encoding" if kind == "area" else "Decoding"
        axis.set_title(f"{name}: exponent {growth[f'{kind}_exponent']:.2f}")
        axis.set(xlabel=label, ylabel="ms")
        axis.legend(frameon=False)
    for scale in (axes[0].xaxis, *(side for axis in axes[1:] for side in (axis.xaxis, axis.yaxis))):
        scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        scale.set_minor_formatter(NullFormatter())
    figure.tight_layout()
    with new_file(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
    plt.close(figure)


def put_into(document: Path, name: str, text: str) -> None:
    """Replace a generated part of a document.

    Args:
        document: Markdown file with the lines `<!-- generated: NAME -->` and
            `<!-- end of what was generated -->`.
        name: of the part.
        text: to stand between the two.

    Raises:
        ValueError: if the document has no such part.
    """
    content = document.read_text(encoding="utf-8")
    begin = _BEGIN.format(name)
    before, found, rest = content.partition(begin)
    _, ended, after = rest.partition(_END)
    if not (found and ended):
        raise ValueError(f"{document} has no part between {begin!r} and {_END!r}.")
    write_text(document, f"{before}{begin}\n{text.strip()}\n{_END}{after}")
