"""Greedy search over an exported model, with onnxruntime and numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inktex.modeling.grammar_inktex import Grammar, GrowingFormulas

from .files import DECODER, ENCODER, Settings

__all__ = ["Graphs", "GreedyReadings"]

Floats = NDArray[np.float32]
_UNKNOWN: Final = -1.0
"""Row and column of a token that stands nowhere, or nobody knows where."""


@dataclass(frozen=True)
class GreedyReadings:
    """What was read in a batch of pictures.

    Attributes:
        sequences: for each picture the tokens behind the start, the end included.
        log_probabilities: of these tokens, at the model's temperature.
        attention: `(batch, tokens, rows, columns)`, how much the guided heads looked at each cell;
            None if there are none.
    """

    sequences: list[list[int]]
    log_probabilities: list[list[float]]
    attention: Floats | None


class Graphs:
    """The two graphs of an export, ready to run.

    Args:
        folder: of the export.
        settings: what it says of itself.
        threads: of the encoder; None for onnxruntime's choice. The decoder has one, since at every
            token threads would wait for each other longer than they compute.

    Raises:
        ImportError: if onnxruntime is not installed.
    """

    def __init__(self, folder: Path, settings: Settings, threads: int | None = None) -> None:
        self.settings = settings
        self.encoder = _session(folder / ENCODER, threads)
        self.decoder = _session(folder / DECODER, 1)
        self._wanted = {one.name for one in self.decoder.get_inputs()}
        self._has_ink = np.ones(settings.vocabulary, dtype=np.bool_)
        self._has_ink[settings.inkless] = False
        self.grammar = None
        if settings.grammar is not None:
            self.grammar = Grammar(settings.vocabulary, settings.grammar)

    def read(
        self,
        pixels: Floats,
        mask: Floats,
        longest: int,
        given: NDArray[np.int64] | None = None,
    ) -> GreedyReadings:
        """The likeliest token after the likeliest token, by the grammar.

        Args:
            pixels: `(batch, 1, height, width)`, ink 1 on paper 0.
            mask: `(batch, height, width)`, 0 for padding.
            longest: tokens at most, start and end included.
            given: `(batch, tokens)` to be read instead of the likeliest, and judged.
        """
        known, batch = self.settings, len(pixels)
        memory = _run(self.encoder, {"pixel_values": pixels, "pixel_mask": mask})
        rows, columns = pixels.shape[2] // known.stride, pixels.shape[3] // known.stride
        grid = np.indices((rows, columns)).reshape(2, -1).T.astype(np.float32)
        nothing = np.zeros((batch, known.heads, 0, known.head_size), dtype=np.float32)
        past = {
            f"past_{kind}_{i}": nothing for kind in ("key", "value") for i in range(known.layers)
        }
        formulas = None
        if self.grammar is not None:
            formulas = GrowingFormulas(self.grammar, batch, longest - 1)
        tokens = np.full(batch, known.start)
        locations = np.full((batch, 2), _UNKNOWN, dtype=np.float32)
        covered = np.zeros((batch, rows * columns), dtype=np.float32)
        sequences: list[list[int]] = [[] for _ in range(batch)]
        scores: list[list[float]] = [[] for _ in range(batch)]
        looks: list[Floats] = []
        going, position = list(range(batch)), 0
        while going and position < longest - 1:
            fed = {
                "tokens": tokens,
                "position": np.array([position]),
                "locations": locations,
                "covered": covered,
                **past,
                **memory,
            }
            found = _run(self.decoder, {name: fed[name] for name in self._wanted})
            logits: Floats = found.pop("logits")
            look = found.pop("look", None)
            past = {f"past_{name}": value for name, value in found.items()}
            likely = logits if formulas is None else np.where(formulas.allowed(), logits, -np.inf)
            tokens = likely.argmax(axis=1) if given is None else given[:, position]
            chosen = _log_probabilities(logits / known.temperature, tokens)
            for row in going:
                sequences[row].append(int(tokens[row]))
                scores[row].append(float(chosen[row]))
            if formulas is not None:
                formulas.append(tokens.tolist())
            if look is not None:
                looks.append(look)
                weights = look * look
                centres = weights @ grid / weights.sum(axis=1, keepdims=True)
                locations = np.where(self._has_ink[tokens, None], centres, _UNKNOWN)
                locations = locations.astype(np.float32)
                share = look / look.max(axis=1, keepdims=True)
                covered = np.maximum(covered, share * self._has_ink[tokens, None])
            going = [row for row in going if tokens[row] != known.end]
            position += 1
        attention = None
        if looks:
            attention = np.stack(looks, axis=1).reshape(batch, len(looks), rows, columns)
        return GreedyReadings(sequences, scores, attention)


def _run(session: Any, fed: dict[str, Any]) -> dict[str, Any]:
    """A graph's outputs by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, fed), strict=True))


def _log_probabilities(logits: Floats, tokens: NDArray[np.int64]) -> Floats:
    """`(batch,)`, of one token of each row of `(batch, vocabulary)`."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen: Floats = np.take_along_axis(shifted, tokens[:, None], axis=1)[:, 0]
    return chosen - np.log(np.exp(shifted).sum(axis=1))


def _session(path: Path, threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "The ONNX engine needs onnxruntime: pip install 'inktex[onnx]'."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    # Threads that wait shall not keep cores busy that others want.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
