"""Greedy search over the graphs of a model, with onnxruntime and numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inktex.modeling.grammar_inktex import Grammar, GrowingFormulas

from .files import Export, read_weights

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
    """The two graphs of a model, ready to run.

    Args:
        export: the model.
        threads: of the encoder; None for onnxruntime's choice. The decoder has one, since at every
            token threads would wait for each other longer than they compute.

    Raises:
        ImportError: if onnxruntime is not installed.
        ValueError: if the weights do not fit the graphs.
    """

    def __init__(self, export: Export, threads: int | None = None) -> None:
        settings = self.settings = export.settings
        runtime = _runtime()
        weights = {} if export.weights is None else read_weights(export.weights)
        self.encoder, self.decoder = (
            _session(runtime, path, count, _fitting(weights, shapes, export.weights))
            for path, count, shapes in zip(
                (export.encoder, export.decoder), (threads, 1), export.shapes, strict=True
            )
        )
        self._encoded = [one.name for one in self.encoder.get_outputs()]
        self._decoded = [one.name for one in self.decoder.get_outputs()]
        self._wanted = {one.name for one in self.decoder.get_inputs()}
        self._has_ink = np.ones((settings.vocabulary, 1), dtype=np.float32)
        self._has_ink[settings.inkless] = 0.0
        self.grammar = None
        if settings.grammar is not None:
            self.grammar = Grammar(settings.vocabulary, settings.grammar)

    def read(
        self,
        pixels: Floats,
        mask: Floats,
        longest: int,
        given: NDArray[np.int64] | None = None,
        allowed: NDArray[np.bool_] | None = None,
    ) -> GreedyReadings:
        """The likeliest token after the likeliest token, by the grammar.

        Args:
            pixels: `(batch, 1, height, width)`, ink 1 on paper 0.
            mask: `(batch, height, width)`, 0 for padding.
            longest: tokens at most, start and end included.
            given: `(batch, tokens)` to be read instead of the likeliest, and judged.
            allowed: `(vocabulary,)`, the tokens that may be written; None for all.
        """
        known, batch = self.settings, len(pixels)
        # Plain arrays: they are not copied on their way in, its own values take longer.
        memory = self.encoder.run(self._encoded, {"pixel_values": pixels, "pixel_mask": mask})
        rows, columns = pixels.shape[2] // known.stride, pixels.shape[3] // known.stride
        # Row, column and 1 of each cell: weights times these are a centre and its weight.
        grid = np.ones((rows * columns, 3), dtype=np.float32)
        grid[:, :2] = np.indices((rows, columns)).reshape(2, -1).T
        nothing = np.zeros((batch, known.heads, 0, 2 * known.head_size), dtype=np.float32)
        fed = dict(zip(self._encoded, memory, strict=True))
        fed |= {f"past_{number}": nothing for number in range(known.layers)}
        fed = {name: value for name, value in fed.items() if name in self._wanted}
        formulas = None
        if self.grammar is not None:
            formulas = GrowingFormulas(self.grammar, batch, longest - 1)
        locations = np.full((batch, 2), _UNKNOWN, dtype=np.float32)
        covered = np.zeros((batch, rows * columns), dtype=np.float32)
        tokens: NDArray[Any] = np.full(batch, known.start)
        every_token: list[NDArray[Any]] = []
        every_logits: list[Floats] = []
        looks: list[Floats] = []
        going = np.ones(batch, dtype=np.bool_)
        while going.any() and len(every_token) < longest - 1:
            now = {
                "tokens": tokens,
                "position": np.array([len(every_token)]),
                "locations": locations,
                "covered": covered,
            }
            fed |= {name: one for name, one in now.items() if name in self._wanted}
            found = self.decoder.run(self._decoded, fed)
            logits: Floats = found[0]
            if allowed is not None:
                logits = np.where(allowed, logits, np.float32(-np.inf))
            fed |= {f"past_{number}": found[1 + number] for number in range(known.layers)}
            likely = logits if formulas is None else np.where(formulas.allowed(), logits, -np.inf)
            tokens = likely.argmax(axis=1) if given is None else given[:, len(every_token)]
            if formulas is not None:
                formulas.append(tokens.tolist())
            if len(found) > 1 + known.layers:
                look: Floats = found[-1]
                looks.append(look)
                has_ink = self._has_ink[tokens]
                centres = (look * look) @ grid
                locations = np.where(has_ink, centres[:, :2] / centres[:, 2:], np.float32(_UNKNOWN))
                share = look * (has_ink / look.max(axis=1, keepdims=True))
                covered = np.maximum(covered, share)
            every_token.append(tokens)
            every_logits.append(logits)
            going &= tokens != known.end
        attention = None
        if looks:
            attention = np.stack(looks, axis=1).reshape(batch, len(looks), rows, columns)
        written = np.stack(every_token, axis=1)
        scores = _log_probabilities(np.stack(every_logits, axis=1) / known.temperature, written)
        ends = written == known.end
        lengths = np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, written.shape[1]).tolist()
        return GreedyReadings(
            [row[:length].tolist() for row, length in zip(written, lengths, strict=True)],
            [row[:length].tolist() for row, length in zip(scores, lengths, strict=True)],
            attention,
        )


def _log_probabilities(logits: Floats, tokens: NDArray[np.int64]) -> Floats:
    """`(batch, tokens)`, of one token of each row of `(batch, tokens, vocabulary)`."""
    shifted = logits - logits.max(axis=2, keepdims=True)
    chosen: Floats = np.take_along_axis(shifted, tokens[..., None], axis=2)[..., 0]
    return chosen - np.log(np.exp(shifted).sum(axis=2))


def _fitting(
    weights: dict[str, Floats], shapes: dict[str, list[int]], path: Path | None
) -> dict[str, Floats]:
    """The weights that a graph wants.

    Raises:
        ValueError: if one is missing or has another shape.
    """
    for name, shape in shapes.items():
        found = weights.get(name)
        if found is None or list(found.shape) != shape:
            other = "is not in it" if found is None else f"is {list(found.shape)} there"
            raise ValueError(f"{path} does not fit its configuration: {name} {other}, not {shape}.")
    return {name: weights[name] for name in shapes}


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("The ONNX engine needs onnxruntime: pip install onnxruntime.") from error
    return onnxruntime


def _session(runtime: Any, path: Path, threads: int | None, weights: dict[str, Floats]) -> Any:
    """A graph, ready to run; what its weights determine is computed here."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    # Plans of memory are made for each combination of shapes, and these differ at every run.
    options.enable_mem_pattern = False
    if threads is not None:
        options.intra_op_num_threads = threads
    # Threads that wait shall not keep cores busy that others want.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if weights:
        values = [runtime.OrtValue.ortvalue_from_numpy(one) for one in weights.values()]
        options.add_external_initializers(list(weights), values)
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
