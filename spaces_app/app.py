"""The Space: draw, photograph or paste a formula, and get LaTeX.

    python spaces_app/app.py

`INKTEX_MODEL` names another model, a folder or a Hub repository. What Gradio takes from the
environment (`GRADIO_SERVER_NAME`, `GRADIO_SERVER_PORT`) works as usual.
"""

from __future__ import annotations

import os

# Before Gradio is imported: it reads this once, and would phone home.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import html
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import gradio as gr
import numpy as np
from gradio.events import api
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import inktex
from about import about, record_of
from answer import (
    BARE,
    SPELLINGS,
    Shown,
    details,
    edited,
    is_worth_telling,
    rendered,
    spell,
    told,
    verdict,
)
from examples import examples, gallery
from guard import Guard
from inktex.ink import Ink
from inktex.recognizer import Preset
from inktex.torch_engine import TorchEngine
from inputs import RefusedError
from pages import show_page
from space import ALTERNATIVES, SYMBOLS, Answer, Space

FRONT: Final = Path(__file__).parent / "front"
PAD: Final = Path(__file__).parent / "browser" / "page"
"""Holds the drawing pad, which is also that of the page in the browser."""
WORKERS: Final = 2
"""Pictures that are read at a time; each takes one core."""
WAITING: Final = 100
"""Requests that may wait; the next ones are told to come again."""
PAUSE: Final = 0.6
"""Seconds without new ink, after which other readings are worth the search for them."""


def front(name: str) -> str:
    """A file of the browser's part."""
    return (FRONT / name).read_text(encoding="utf-8")


def status(words: str, percent: str = "", kind: str = "") -> str:
    """Markup of the verdict; what it says is no markup."""
    bold = html.escape(words) if kind else f"<b>{html.escape(words)}</b>"
    return (
        f'<div class="verdict {kind}" role="status">{bold}<span>{html.escape(percent)}</span></div>'
    )


class Page:
    """The page: what stands where, and what happens when."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.examples = examples()
        self._limiter = anyio.CapacityLimiter(1)
        with gr.Blocks(
            title="inktex: handwritten formulas to LaTeX", analytics_enabled=False
        ) as it:
            self._lay_out()
            self._connect()
        self.blocks = it

    def _lay_out(self) -> None:
        with gr.Row(elem_id="title"):
            gr.Markdown("# inktex\nHandwritten formulas to LaTeX: draw, photograph or paste.")
            self.theme = gr.Button(
                "Light or dark", size="sm", scale=0, min_width=120, elem_id="theme"
            )
        self.shown = gr.State(None, time_to_live=3600)
        with gr.Row(elem_id="work"):
            with gr.Column(scale=1, min_width=340, elem_id="left"):
                self._lay_out_inputs()
            with gr.Column(scale=1, min_width=340, elem_id="right"):
                self._lay_out_answer()
        with gr.Accordion("About the model: scores, limits, licence", open=False, elem_id="about"):
            gr.Markdown(about(self.space.record, self.space.model))
        with gr.Accordion("Use it from a program", open=False, elem_id="api"):
            gr.Markdown(_API)

    def _lay_out_inputs(self) -> None:
        self.pad = gr.HTML(
            None,
            html_template=front("pad.html"),
            js_on_load=front("pad.js"),
            elem_id="pad",
            apply_default_css=False,
        )
        self.preset = gr.Radio(
            [("Fast", "fast"), ("Accurate (slower)", "accurate")],
            value="fast",
            label="Search",
            elem_id="preset",
        )
        self.alphabet = gr.Radio(
            list(SYMBOLS.items()), value="all", label="Symbols that may be read", elem_id="alphabet"
        )
        self.gallery = gr.HTML(
            None,
            html_template=gallery(self.examples),
            js_on_load=_CHOOSE,
            elem_id="examples",
            apply_default_css=False,
        )

    def _lay_out_answer(self) -> None:
        self.verdict = gr.HTML(_NOTHING, elem_id="verdict")
        self.answer = gr.Markdown(
            "",
            latex_delimiters=[{"left": "$$", "right": "$$", "display": True}],
            elem_id="answer",
        )
        self.latex = gr.Textbox(
            label="LaTeX (may be edited)",
            lines=2,
            max_lines=8,
            interactive=True,
            buttons=["copy"],
            elem_id="latex",
        )
        with gr.Row():
            self.spelling = gr.Radio(
                [name.capitalize() for name in SPELLINGS],
                value="Compact",
                label="Spelling",
                elem_id="spelling",
            )
            self.wrapping = gr.Dropdown(
                [
                    ("Formula alone", BARE),
                    ("Inline: \\(…\\)", "inline"),
                    ("Display: \\[…\\]", "display"),
                    ("equation environment", "equation"),
                    ("align environment", "align"),
                ],
                value=BARE,
                label="Around it",
                elem_id="wrapping",
            )
        self.rows: list[tuple[gr.Row, gr.Markdown, gr.Button]] = []
        with gr.Column(visible=False, elem_id="alternatives") as self.others:
            gr.Markdown("**Or is it one of these?**")
            for number in range(1, ALTERNATIVES + 1):
                with gr.Row(elem_classes="alternative", visible=False) as row:
                    formula = gr.Markdown(
                        latex_delimiters=[{"left": "$$", "right": "$$", "display": True}],
                        container=False,
                    )
                    button = gr.Button(
                        "Take this",
                        size="sm",
                        scale=0,
                        min_width=110,
                        elem_id=f"alternative-{number}",
                    )
                self.rows.append((row, formula, button))
        self.details = gr.HTML(
            None,
            html_template=front("details.html"),
            js_on_load=front("details.js"),
            elem_id="details",
            apply_default_css=False,
        )
        with gr.Accordion("Several formulas in one picture", open=False, elem_id="regions-panel"):
            self.regions = gr.Button("Read each of them", size="sm", elem_id="regions")
            self.numbered = gr.HTML("", elem_id="numbered")
            self.listed = gr.Markdown(
                "",
                latex_delimiters=[{"left": "$$", "right": "$$", "display": True}],
                elem_id="listed",
            )
        with gr.Accordion("MathML", open=False, elem_id="mathml-panel"):
            self.mathml = gr.Textbox(
                label="MathML", lines=3, max_lines=8, buttons=["copy"], elem_id="mathml"
            )

    def _connect(self) -> None:
        format_inputs: list[Any] = [self.spelling, self.wrapping]
        outputs = [
            self.shown, self.verdict, self.answer, self.latex, self.mathml, self.details,
        ]  # fmt: skip
        rows = [component for row in self.rows for component in row]
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        model: dict[str, Any] = {"concurrency_limit": WORKERS, "concurrency_id": "model"}

        def read(
            value: Any, preset: Preset, alphabet: str, spelling: str, wrapping: str
        ) -> list[Any]:
            found = self.space.read(value, preset, alphabet)
            return [*self._answer(found, spelling, wrapping), gr.update(visible=False)]

        def respell(shown: Shown | None, spelling: str, wrapping: str) -> str:
            return "" if shown is None else self._latex(shown, spelling, wrapping)

        given: list[Any] = [self.pad, self.preset, self.alphabet]
        reads: dict[str, Any] = {
            "fn": read,
            "inputs": [*given, *format_inputs],
            "outputs": [*outputs, self.others],
            **model,
            **hidden,
        }
        reading = self.pad.input(**reads, trigger_mode="always_last")
        again = gr.on([self.preset.change, self.alphabet.change], **reads)

        def choose(event: gr.EventData) -> dict[str, Any]:
            return self.examples[int(event._data["index"])].value

        chosen = self.gallery.select(choose, None, self.pad, **hidden).then(**reads)
        further = [
            event.then(
                self._look_further,
                [*given, self.shown],
                [self.shown, self.others, *rows],
                concurrency_limit=None,  # most of them only wait
                **hidden,
            )
            for event in (reading, again, chosen)
        ]
        # New ink makes alternatives of the old ink worthless.
        self.pad.input(None, None, None, cancels=further, api_visibility="private")
        for number, (_, _, button) in enumerate(self.rows, start=1):
            button.click(
                self._take(number), [self.shown, *format_inputs], [*outputs, *rows], **hidden
            )
        # Edits are shown as they are typed; the next reading replaces them.
        # Not `input`, which does not tell of what is pasted.
        self.latex.change(
            self._edit,
            [self.latex, self.shown, *format_inputs],
            [self.verdict, self.answer, self.mathml],
            trigger_mode="always_last",
            **hidden,
        )
        for component in format_inputs:
            component.change(respell, [self.shown, *format_inputs], self.latex, **hidden)
        self.details.select(
            self._choose,
            [*given, self.shown, *format_inputs],
            [*outputs, self.others],
            trigger_mode="always_last",
            **model,
            **hidden,
        )
        self.regions.click(
            self._read_regions, given, [self.numbered, self.listed], **model, **hidden
        )
        self.theme.click(None, None, None, js=_TOGGLE, api_visibility="private")
        api(self.space.recognize, api_name="recognize", **model)
        api(self.space.recognize_ink, api_name="recognize_ink", **model)
        api(self.space.recognize_regions, api_name="recognize_regions", **model)

    def _read_regions(self, value: Any, preset: Preset, alphabet: str) -> list[Any]:
        """The picture with its numbered formulas, and the list of these."""
        found = self.space.read_regions(value, preset, alphabet)
        if isinstance(found, tuple):
            return [*found]
        words = "Draw something, or open a picture, first." if found is None else str(found)
        return ["", words]

    async def _look_further(
        self, value: Any, preset: Preset, alphabet: str, shown: Shown | None
    ) -> list[Any]:
        """Updates of shown, the alternatives' visibility and their rows, after a beam search."""
        rows = sum(map(len, self.rows))
        none = [shown, gr.update(visible=False), *([gr.update()] * rows)]
        if shown is None:
            return none
        await anyio.sleep(PAUSE)
        found = await anyio.to_thread.run_sync(
            self.space.read, value, preset, alphabet, ALTERNATIVES, limiter=self._limiter
        )
        if not isinstance(found, Shown):
            return none
        # Whatever the beam search finds, the answer that stands, stays.
        others = [one for one in found.candidates if one.latex != shown.best.latex]
        merged = replace(shown, candidates=(shown.best, *others[:ALTERNATIVES]))
        return [merged, gr.update(visible=True), *self._rows(merged)]

    def _choose(
        self,
        value: Any,
        preset: Preset,
        alphabet: str,
        shown: Shown | None,
        spelling: str,
        wrapping: str,
        event: gr.EventData,
    ) -> list[Any]:
        """The reading with a token that the visitor chose; a negative index gives up all."""
        index, token = int(event._data["index"]), str(event._data["token"])
        # What was chosen further on stood behind another beginning.
        kept = {} if shown is None else {i: one for i, one in shown.locked.items() if i < index}
        locked = kept if index < 0 else {**kept, index: token}
        found = self.space.read(value, preset, alphabet, locked=locked)
        return [*self._answer(found, spelling, wrapping), gr.update(visible=False)]

    def _take(self, number: int) -> Callable[..., list[Any]]:
        """What swaps the answer with an alternative: updates of the answer and of the rows."""

        def swap(shown: Shown | None, spelling: str, wrapping: str) -> list[Any]:
            if shown is None or number >= len(shown.candidates):
                return [gr.update()] * (_OUTPUTS + sum(map(len, self.rows)))
            order = list(shown.candidates)
            order[0], order[number] = order[number], order[0]
            changed = replace(shown, candidates=tuple(order))
            return [*self._answer(changed, spelling, wrapping), *self._rows(changed)]

        return swap

    def _edit(self, text: str, shown: Shown | None, spelling: str, wrapping: str) -> list[Any]:
        """Values of verdict, answer and mathml for LaTeX as it was read or as a hand made it."""
        if not text.strip():
            return [gr.update(), "", ""]  # why there is none is said already
        if shown is not None and text == self._latex(shown, spelling, wrapping):
            return self._said(shown)
        formula, markup = edited(text)
        if not formula:
            return [status("This is no LaTeX yet: is a brace open?", kind="refused"), "", ""]
        return [status("Edited by hand"), formula, markup]

    def _latex(self, shown: Shown, spelling: str, wrapping: str) -> str:
        return spell(shown.best, spelling.lower(), wrapping)

    def _answer(self, found: Answer, spelling: str, wrapping: str) -> list[Any]:
        """Values of shown, verdict, answer, latex, mathml and details."""
        if found is None:
            return [None, _NOTHING, "", "", "", None]
        if isinstance(found, RefusedError):
            return [None, status(str(found), kind="refused"), "", "", "", None]
        said, formula, markup = self._said(found)
        latex = self._latex(found, spelling, wrapping)
        return [found.without_pictures(), said, formula, latex, markup, details(found)]

    def _said(self, shown: Shown) -> list[str]:
        """Values of verdict, answer and mathml."""
        best = shown.best
        return [status(*told(shown)), rendered(best.latex), best.to("mathml")]

    def _rows(self, shown: Shown) -> list[Any]:
        """Updates of the rows of alternatives."""
        updates: list[Any] = []
        for number in range(1, ALTERNATIVES + 1):
            if number >= len(shown.candidates):
                updates += [gr.update(visible=False), "", gr.update()]
                continue
            one = shown.candidates[number]
            share = f" ({verdict(one)[1]})" if is_worth_telling(one.score) else ""
            label = f"Take this{share}"
            updates += [gr.update(visible=True), rendered(one.latex), gr.update(value=label)]
        return updates


_FIRST = Ink([np.array([[0, 0], [20, 30]], np.float32), np.array([[20, 0], [0, 30]], np.float32)])
_OUTPUTS: Final = 6
"""Values of `Page._answer`."""
_NOTHING = status("The answer appears here while you write.", kind="empty")
_CHOOSE = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-example]");
  if (button) trigger("select", { index: Number(button.dataset.example) });
});
"""
_TOGGLE = "() => { document.body.classList.toggle('dark'); }"
_API = """\
Two endpoints, for pictures and for pen strokes; both give `latex`, `tokens`, `score`, `symbols`
and `alternatives`. The token `<mark>` stands for a mark that is no known symbol.

```python
import base64
from pathlib import Path

from gradio_client import Client

client = Client("URL of this Space")
picture = base64.b64encode(Path("formula.png").read_bytes()).decode()
print(client.predict(picture, "fast", 0, api_name="/recognize")["latex"])
strokes = [[[0, 0], [20, 30]], [[20, 0], [0, 30]]]  # points [x, y], y downwards
print(client.predict(strokes, "accurate", 3, api_name="/recognize_ink")["alternatives"])
page = base64.b64encode(Path("page.png").read_bytes()).decode()
for formula in client.predict(page, "fast", api_name="/recognize_regions"):
    print(formula["box"], formula["latex"])
```

```sh
URL=...  # of this Space
printf '{"data": ["%s", "fast", 0]}' "$(base64 -w0 formula.png)" |
  curl -s -H 'Content-Type: application/json' -d @- $URL/gradio_api/call/recognize
# {"event_id": ID}, with which the answer is fetched:
curl -sN $URL/gradio_api/call/recognize/ID
```
"""


def build(model: str | None = None) -> gr.Blocks:
    """The page on a model.

    Args:
        model: folder or Hub repository; None for the model that inktex ships.
    """
    recognizer = inktex.load(model, threads=1)  # workers share the cores among them
    if isinstance(recognizer.engine, TorchEngine):  # for this model there are no graphs
        import torch

        torch.set_num_threads(1)
    recognizer(_FIRST)  # what comes first is slow: let it be this
    name = model or f"shipped with inktex {inktex.__version__}"
    blocks = Page(Space(recognizer, name, record_of(model))).blocks
    blocks.queue(max_size=WAITING, default_concurrency_limit=WORKERS)
    return blocks


def launch(blocks: gr.Blocks, **kwargs: Any) -> tuple[Any, str, str]:
    """Start the server: nothing leaves the machine, only Gradio's files and `PAD` are served."""
    system = ["system-ui", "sans-serif"]
    mono = ["ui-monospace", "monospace"]
    return blocks.launch(
        theme=gr.themes.Default(primary_hue="blue", font=system, font_mono=mono),
        head=f"<style>{front('style.css')}</style>",  # `css` would lose its container queries
        footer_links=["api"],
        ssr_mode=False,
        max_file_size=1,
        app_kwargs={
            "middleware": [Middleware(Guard)],
            "routes": [
                Mount("/pad", StaticFiles(directory=PAD)),
                Route("/picture", show_page, methods=["POST"]),
            ],
        },
        **kwargs,
    )


if __name__ == "__main__":
    launch(build(os.environ.get("INKTEX_MODEL") or None))
