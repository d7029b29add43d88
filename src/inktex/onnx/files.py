"""Graphs and exported models on disk: their folders, files and settings."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inktex.modeling.feedback_inktex import inkless_tokens
from inktex.modeling.image_settings_inktex import LATER, SETTING_NAMES
from inktex.modeling.ink_extraction_inktex import find_ink_extraction
from inktex.modeling.stroke_restoration_inktex import find_stroke_restoration

PRECISIONS: Final = ("fp32", "int8")
ENCODER, DECODER, TOKENIZER = "encoder.onnx", "decoder.onnx", "tokenizer.json"
SINGLE: Final = "inktex.onnx"
"""The whole model as one graph, for programs that have ONNX Runtime alone."""
SINGLE_SETTINGS: Final = "inktex.json"
"""File beside it with what programs need to know of it."""
SETTINGS: Final = "inktex_onnx.json"
"""File that marks a folder as an export."""
GRAPHS: Final = "graphs.json"
"""File that says for which models the graphs beside it are."""
SHIPPED: Final = Path(__file__).parent / "shipped"
"""Folder of the graphs, without weights, for all models of the shipped one's architecture."""
FORMAT: Final = 3
"""Of graphs and exports; another one is not read."""
WEIGHTS: Final = "model.safetensors"
CONFIG, PROCESSOR = "config.json", "processor_config.json"
_SOURCES: Final = (WEIGHTS, CONFIG, PROCESSOR, TOKENIZER)
COMMAND: Final = "inktex export"
EXPORTING: Final = ("HersheyFonts", "onnx", "onnxruntime", "onnxscript")
"""Modules that an export needs beside torch and transformers."""
_ENCODER: Final = (
    "architecture", "stem_channels", "block_layers", "growth_rates", "bottleneck_factors",
    "compression", "fusion_channels", "hidden_size",
)  # fmt: skip
_DECODER: Final = (
    "architecture", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "intermediate_size", "vocab_size", "guided_layers", "guided_heads", "location_feedback",
    "coverage_feedback",
)  # fmt: skip
_KINDS: Final = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


@dataclass(frozen=True)
class Settings:
    """Settings of an exported model.

    Attributes:
        format: of the export.
        precision: one of `PRECISIONS`.
        checksum: of the model that was exported.
        start, end: ids of these tokens.
        layers, heads, head_size: of the decoder's cache.
        temperature: of the probabilities.
        grammar: ids of tokens by their role in `Grammar`; None for decoding without a grammar.
        inkless: ids of the tokens without a place in the picture.
        vocabulary: number of tokens.
        stride: pixels from one cell of the features to the next.
        multiple: heights and widths of batches are multiples of this.
        image_processor: settings of the `InktexImageProcessor`.
        doubt_threshold: tokens whose probability is lower are doubtful.
        reverse: id of the start token of sequences from right to left; None in older exports.
        rescoring_temperature: of the mean of several views and directions.
    """

    format: int
    precision: str
    checksum: str
    start: int
    end: int
    layers: int
    heads: int
    head_size: int
    temperature: float
    grammar: dict[str, Any] | None
    inkless: list[int]
    vocabulary: int
    stride: int
    multiple: int
    image_processor: dict[str, Any]
    doubt_threshold: float = 0.8
    reverse: int | None = None
    rescoring_temperature: float = 1.0

    def write(self, folder: Path) -> None:
        """Mark a folder as an export with these settings."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True)
        (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")


def read_settings(folder: Path) -> Settings:
    """The settings of an export.

    Raises:
        ValueError: if another version of inktex wrote it.
    """
    content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    if content.get("format") != FORMAT:
        raise ValueError(
            f"The export in {folder} has format {content.get('format')}, this version of inktex "
            f"reads {FORMAT}. Export the model anew: {COMMAND}"
        )
    return Settings(**content)


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a model's `config.json` that its graphs depend on."""
    return {
        part: {name: config.get(part, {}).get(name) for name in names}
        for part, names in (("encoder", _ENCODER), ("decoder", _DECODER))
    }


def make_settings(
    model: Path, precision: str, stride: int, multiple: int, identity: str = ""
) -> Settings:
    """The settings of a model, from its files.

    Args:
        precision: one of `PRECISIONS`.
        stride: pixels from one cell of the features to the next.
        multiple: of which the sides of the encoder's pictures are.
        identity: its checksum, where it is exported.

    Raises:
        OSError: if a file is missing.
        ValueError: if something is missing in one.
    """
    config, processor = _read(model / CONFIG), _read(model / PROCESSOR)
    try:
        decoder, pictures = config["decoder"], processor["image_processor"]
        grammar = decoder["grammar"]
        return Settings(
            format=FORMAT,
            precision=precision,
            checksum=identity,
            start=config["decoder_start_token_id"],
            end=config["eos_token_id"],
            layers=decoder["num_hidden_layers"],
            heads=decoder["num_attention_heads"],
            head_size=decoder["hidden_size"] // decoder["num_attention_heads"],
            temperature=decoder.get("token_temperature", decoder.get("temperature", 1.0)),
            grammar=grammar,
            inkless=inkless_tokens(grammar),
            vocabulary=decoder["vocab_size"],
            stride=stride,
            multiple=math.lcm(pictures["pad_multiple"], multiple),
            image_processor={
                name: pictures[name]
                for name in SETTING_NAMES
                if name in pictures or name not in LATER
            },
            doubt_threshold=decoder.get("doubt_threshold", Settings.doubt_threshold),
            reverse=config.get("reverse_start_token_id"),
            rescoring_temperature=decoder.get(
                "rescoring_temperature", decoder.get("judges_temperature", 1.0)
            ),
        )
    except KeyError as error:
        raise ValueError(
            f"The configuration in {model} does not say {error}. Load the model with torch and "
            "save it again."
        ) from error


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The weights in a file of safetensors, by name, as float32; whole numbers are left out.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is none.
    """
    from safetensors import SafetensorError, deserialize

    try:
        tensors = deserialize(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is no file of safetensors, or damaged: {error}") from error
    found = {}
    for name, tensor in tensors:
        if tensor["dtype"] in _KINDS:
            numbers = np.frombuffer(tensor["data"], dtype=_KINDS[tensor["dtype"]])
            if tensor["dtype"] == "BF16":  # the upper half of a float32
                numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
            found[name] = numbers.astype(np.float32, copy=False).reshape(tensor["shape"])
    return found


def read_words(path: Path) -> dict[int, str]:
    """The tokens of a tokenizer by their ids, without the special ones.

    It replaces `Tokenizer.decode`, whose library would double what reading without torch installs.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no tokenizer, or one whose tokens are not words.
    """
    content = _read(path)
    try:
        model, added, decoder = content["model"], content["added_tokens"], content["decoder"]
        kind, words = model["type"], {number: word for word, number in model["vocab"].items()}
        words |= {one["id"]: one["content"] for one in added}
        special = {one["id"] for one in added if one["special"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no tokenizer, or damaged: {error}") from error
    if kind != "WordLevel" or decoder is not None:
        raise ValueError(
            f"The tokens in {path} are not words. Take the engine torch for this model."
        )
    return {number: word for number, word in words.items() if number not in special}


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    return content


def cache_folder() -> Path:
    """Where exports are kept: `INKTEX_CACHE`, else `inktex` in the user's folder of caches."""
    if chosen := os.environ.get("INKTEX_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inktex"


def checksum(model: Path) -> str:
    """SHA-256 of what an export of a model depends on: weights, settings and tokenizer.

    Args:
        model: folder of `save_pretrained`.

    Raises:
        FileNotFoundError: if it is none.
    """
    digest = hashlib.sha256(str(FORMAT).encode())
    for name in _SOURCES:
        path = model / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{model} is neither a model's folder nor an export: it has no {name}. A model of "
                f"the Hub is exported first: {COMMAND} --model OWNER/NAME --output FOLDER"
            )
        digest.update(name.encode() + path.read_bytes())
    for network in (find_stroke_restoration(model), find_ink_extraction(model)):
        if network is not None:
            digest.update(network.name.encode() + network.read_bytes())
    return digest.hexdigest()


def exported_folder(model: Path, precision: str) -> Path:
    """Where the export of a model is in the cache, or would be."""
    return cache_folder() / "onnx" / checksum(model)[:16] / precision


@dataclass(frozen=True)
class Export:
    """Files and settings of a model for ONNX Runtime.

    Attributes:
        settings: of the model.
        encoder, decoder: files of the graphs.
        tokenizer: file.
        weights: file of the weights that are not in the graphs; None if all are.
        shapes: of these weights by name, for each graph.
        stroke_restoration, ink_extraction: files of the image processor's weights; None if it has
            none.
    """

    settings: Settings
    encoder: Path
    decoder: Path
    tokenizer: Path
    weights: Path | None = None
    shapes: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
    stroke_restoration: Path | None = None
    ink_extraction: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All but the settings."""
        graphs = (self.encoder, self.decoder, self.tokenizer, self.weights)
        files = (*graphs, self.stroke_restoration, self.ink_extraction)
        return [path for path in files if path is not None]


def find_export(name: Path, precision: str) -> Export:
    """The graphs for a model: those of the package if they fit, or an export.

    Args:
        name: folder of the model, of an export, or of exports.
        precision: one of `PRECISIONS`.

    Raises:
        FileNotFoundError: if there are no graphs for the model.
        ValueError: if the folder is an export of another precision, or not as it should be.
    """
    if (name / SETTINGS).is_file():
        found = read_settings(name).precision
        if found != precision:
            raise ValueError(f"The export in {name} is {found}, not {precision}.")
        return _exported(name)
    if (name / precision / SETTINGS).is_file():
        return _exported(name / precision)
    if precision == "fp32" and (found_here := _shipped(name)) is not None:
        return found_here
    folder = exported_folder(name, precision)
    if not (folder / SETTINGS).is_file():
        why = "inktex has graphs in float32 for models like the shipped one alone"
        raise FileNotFoundError(
            f"The model in {name} was not exported to ONNX yet, or has changed since ({why}). "
            f"Where torch is installed, run: pip install 'inktex[export]' && {COMMAND} --model "
            f"{name}"
        )
    return _exported(folder)


def _exported(folder: Path) -> Export:
    return Export(
        read_settings(folder),
        folder / ENCODER,
        folder / DECODER,
        folder / TOKENIZER,
        stroke_restoration=find_stroke_restoration(folder),
        ink_extraction=find_ink_extraction(folder),
    )


def _shipped(model: Path) -> Export | None:
    """The graphs of the package with the weights of a model, if these go together."""
    files = [model / name for name in _SOURCES]
    if not ((SHIPPED / GRAPHS).is_file() and all(path.is_file() for path in files)):
        return None
    known = _read(SHIPPED / GRAPHS)
    if known["format"] != FORMAT or known["architecture"] != architecture(_read(model / CONFIG)):
        return None
    return Export(
        make_settings(model, "fp32", known["stride"], known["multiple"]),
        SHIPPED / ENCODER,
        SHIPPED / DECODER,
        model / TOKENIZER,
        model / WEIGHTS,
        (known["shapes"][ENCODER], known["shapes"][DECODER]),
        find_stroke_restoration(model),
        find_ink_extraction(model),
    )
