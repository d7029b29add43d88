"""The pipeline reads pictures of all kinds, alone, in lists and in batches."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inktex.ink.render import render
from inktex.modeling import image_loading_inktex
from inktex.modeling.generation_inktex import generate_with_probabilities
from inktex.modeling.image_loading_inktex import load_picture
from inktex.modeling.image_processing_inktex import InktexImageProcessor
from inktex.modeling.pipeline_inktex import InktexPipeline
from inktex.modeling.processing_inktex import InktexProcessor
from inktex.tokenizer.tokenization_inktex import build_tokenizer


def _picture(seed: int, strokes: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    traces = [
        np.cumsum(rng.normal(0, 8, (12, 2)), axis=0) + np.array([50 * i, 0]) for i in range(strokes)
    ]
    return Image.fromarray(render([trace.astype(np.float32) for trace in traces]))


PICTURES = [_picture(1, 2), _picture(2, 7), _picture(3, 4)]


@pytest.fixture(scope="module")
def reader(small_model: Any) -> Any:
    model = small_model
    with torch.no_grad():  # so that the readings differ, and end
        model.lm_head.weight.mul_(40)
    processor = InktexProcessor(InktexImageProcessor(), build_tokenizer())
    return InktexPipeline(model=model, processor=processor, device="cpu")


def test_one_picture_gives_one_reading(reader: Any) -> None:
    readings = reader(PICTURES[0])
    assert [set(reading) for reading in readings] == [{"generated_text", "score"}]
    assert isinstance(readings[0]["generated_text"], str)
    assert 0 <= readings[0]["score"] <= 1


def test_kinds_of_inputs(reader: Any, tmp_path: Path) -> None:
    path = tmp_path / "ink.png"
    PICTURES[0].save(path)
    expected = reader(PICTURES[0])
    for picture in (path, str(path), path.read_bytes(), np.asarray(PICTURES[0])):
        assert reader(picture) == expected
    array = np.asarray(PICTURES[0])
    for several in ([array, str(path)], (path, path), np.stack([array, array])[:, None]):
        assert reader(several) == [expected, expected]
    assert list(reader(picture for picture in PICTURES[:1])) == [expected]
    assert reader([]) == []


def test_images_by_name_and_text_that_is_ignored(
    reader: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expected = reader(PICTURES[0])
    assert reader(images=PICTURES[0]) == expected
    assert not caplog.records
    assert reader(PICTURES[0], text="What is this?") == expected
    assert reader(images=[PICTURES[0]], text=["What is this?"]) == [expected]
    assert "text is ignored" in caplog.text
    with pytest.raises(ValueError, match="Give a picture"):
        reader(text="What is this?")


def test_batches_read_as_single_pictures_do(reader: Any) -> None:
    alone = [reader(picture) for picture in PICTURES]
    for batch_size in (2, 3):
        together = reader(PICTURES, batch_size=batch_size)
        for (first,), (second,) in zip(alone, together, strict=True):
            assert first["generated_text"] == second["generated_text"]
            assert first["score"] == pytest.approx(second["score"], rel=1e-3, abs=1e-6)


def test_generation_parameters(reader: Any) -> None:
    several = reader(PICTURES, batch_size=2, num_beams=3, num_return_sequences=2)
    assert [len(readings) for readings in several] == [2, 2, 2]
    nested = reader(PICTURES, generate_kwargs={"num_beams": 3, "num_return_sequences": 2})
    for first, second in zip(several, nested, strict=True):
        assert [r["generated_text"] for r in first] == [r["generated_text"] for r in second]
    short = reader.tokenizer(reader(PICTURES[1], max_new_tokens=2)[0]["generated_text"])
    assert len(short.input_ids) <= 4


@pytest.mark.parametrize("num_beams", [1, 3])
def test_score_is_the_probability_of_the_sequence(reader: Any, num_beams: int) -> None:
    model = reader.model
    inputs = reader.processor(images=PICTURES)
    sequences, scores = generate_with_probabilities(model, inputs, num_beams=num_beams)
    for i, sequence in enumerate(sequences.tolist()):
        if model.config.eos_token_id in sequence:
            sequence = sequence[: sequence.index(model.config.eos_token_id) + 1]
        expected = 1.0
        for end in range(1, len(sequence)):
            with torch.no_grad():
                output = model(
                    pixel_values=inputs["pixel_values"][i : i + 1],
                    pixel_mask=inputs["pixel_mask"][i : i + 1],
                    decoder_input_ids=torch.tensor([sequence[:end]]),
                )
            expected *= float(output.logits[0, -1].softmax(dim=-1)[sequence[end]])
        assert float(scores[i]) == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_bfloat16_runs(reader: Any) -> None:
    reader.model.to(torch.bfloat16)
    try:
        assert 0 <= reader(PICTURES[0])[0]["score"] <= 1
    finally:
        reader.model.to(torch.float32)


def test_what_is_wrong_is_said(reader: Any) -> None:
    with pytest.raises(ValueError, match="blank"):
        reader(Image.new("L", (40, 40)))
    with pytest.raises(ValueError, match=r"nowhere\.png"):
        reader("nowhere.png")


def test_a_picture_is_read_from_a_url(reader: Any, tmp_path: Path) -> None:
    PICTURES[0].save(tmp_path / "one.png")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert reader(f"{address}/one.png") == reader(PICTURES[0])
        with pytest.raises(ValueError, match=r"none\.png"):
            reader(f"{address}/none.png")
        server.shutdown()


class Hostile(BaseHTTPRequestHandler):
    """Sends elsewhere, drips its content or its headers, or sends more than anybody wants."""

    def do_GET(self) -> None:
        kind = self.path.strip("/")
        if kind.startswith("to-"):
            self.send_response(302)
            target = {"to-ftp": "ftp://127.0.0.1/x", "to-file": "file:///etc/hostname"}[kind]
            self.send_header("Location", target)
            self.end_headers()
            return
        self.send_response(200)
        if kind == "headers":
            self.flush_headers()
            with suppress(OSError):
                for number in range(200):
                    self.wfile.write(f"X-{number}: 1\r\n".encode())
                    time.sleep(0.1)
            return
        self.end_headers()
        with suppress(OSError):
            for _ in range(200):
                self.wfile.write(b"x" * (1 if kind == "drip" else 1000))
                self.wfile.flush()
                time.sleep(0.1 if kind == "drip" else 0)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("to-ftp", "Cannot fetch"),
        ("to-file", "Cannot fetch"),
        ("drip", "not there within 0.5 seconds"),
        ("headers", "not there within 0.5 seconds"),
        ("large", "more than 50000 bytes"),
    ],
)
def test_hostile_servers_are_left(path: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_loading_inktex, "TIMEOUT", 30.0 if path == "large" else 0.5)
    monkeypatch.setattr(image_loading_inktex, "MAX_DOWNLOAD", 50_000)
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ValueError, match=words):
            load_picture(f"http://127.0.0.1:{server.server_port}/{path}")
        server.shutdown()
