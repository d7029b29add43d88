"""What else may stand in a symbol's place, and readings with tokens that a user chose."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inktex
from inktex.engine import SearchOptions
from inktex.ink.render import render
from inktex.modeling.grammar_inktex import Grammar
from inktex.modeling.search_inktex import Decoded, SearchTask, search
from inktex.recognizer import Recognizer
from inktex.results import make_readings
from inktex.shipped import pretrained_path
from inktex.synthesis.random_captions import written_expressions
from inktex.tokenizer.vocabulary_inktex import EOS_TOKEN, GRAMMAR, IDS, L2R_TOKEN, VOCABULARY

WORDS = dict(enumerate(VOCABULARY))
START, END = IDS[L2R_TOKEN], IDS[EOS_TOKEN]


class Scripted:
    """A step that gives the same logits at each place, whatever was read."""

    def __init__(self, *rows: dict[str, float]) -> None:
        self.rows, self.place = rows, -1

    def __call__(self, tokens: object) -> tuple[np.ndarray, None]:
        self.place += 1
        logits = np.full((1, len(VOCABULARY)), -20.0, dtype=np.float32)
        for token, value in self.rows[min(self.place, len(self.rows) - 1)].items():
            logits[0, IDS[token]] = value
        return logits, None

    def reorder(self, sequences: object) -> None:
        """All sequences are the same one."""


def find(step: Scripted, beams: int = 1, **options: object) -> Decoded:
    grammar = Grammar(len(VOCABULARY), GRAMMAR)
    task = SearchTask(START, END, 0, 12, grammar, **options)  # type: ignore[arg-type]
    return search([step], task, 1, beams)


def test_the_likeliest_tokens_of_each_place_are_those_that_the_grammar_allows() -> None:
    steps = Scripted({"}": 9.0, "x": 5.0, "y": 4.0, "z": 1.0}, {"</s>": 7.0, "^": 6.0, "{": 8.0})
    found = find(steps, candidates=2)
    assert found.tokens(END) == [(IDS["x"],)]
    assert found.candidates is not None
    assert found.candidate_log_probabilities is not None
    named = [[VOCABULARY[one] for one in row] for row in found.candidates[0].tolist()]
    assert named == [["x", "y"], ["</s>", "^"]]
    # Probabilities are among all tokens, those that the grammar forbids included.
    shares = np.exp([9.0, 5.0, 4.0, 1.0])
    expected = shares[1:3] / (shares.sum() + np.exp(-20) * (len(VOCABULARY) - 4))
    np.testing.assert_allclose(np.exp(found.candidate_log_probabilities[0, 0]), expected, rtol=1e-4)


@pytest.mark.parametrize("beams", [1, 2])
def test_locked_tokens_stand_where_they_are_to_stand(beams: int) -> None:
    rows = [{"x": 5.0}, {"</s>": 5.0, "y": 4.0}]
    best = find(Scripted(*rows), beams, locked={2: IDS["z"]}).tokens(END)[0]
    assert [VOCABULARY[one] for one in best] == ["x", "y", "z"]
    with pytest.raises(ValueError, match="place 1") as caught:
        find(Scripted(*rows), beams, locked={1: IDS["}"]})
    # a worker process sends it to its parent
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_symbol_has_the_candidates_of_the_structure_before_it() -> None:
    tokens = "x ^ { 2 }".split()
    rows = [
        {"x": -0.1, "X": -3.0}, {"^": -0.2, "2": -1.5}, {"{": 0.0, "y": -9.0},
        {"2": -0.1, "z": -2.0}, {"}": -0.3, "2": -1.4}, {"</s>": -0.1, "+": -4.0},
    ]  # fmt: skip
    ids = np.array([[[*(IDS[token] for token in row), IDS["w"]] for row in rows]])
    scores = np.array([[[*row.values(), -np.inf] for row in rows]], dtype=np.float32)
    sequence = np.array([[START, *(IDS[token] for token in tokens), END]])
    zeros = np.zeros((1, 6), dtype=np.float32)
    decoded = Decoded(sequence, np.array([0]), zeros[:, 0], zeros, None, ids, scores)
    words = {number: word for number, word in WORDS.items() if number != END}
    picture = inktex.load().image_processor.normalize_picture(
        Image.fromarray(render(written_expressions(1, seed=1)[0].traces))
    )
    (reading,) = make_readings([picture], decoded, [" ".join(tokens)], None, words)
    found = [[(one.index, one.token) for one in row] for row in reading.candidates]
    assert found == [[(0, "X")], [], [], [(1, "2"), (3, "z")], []]
    assert [one.score for one in reading.candidates[3]] == pytest.approx(np.exp([-1.5, -2.0]))
    assert reading.to_dict()["candidates"][0][0]["token"] == "X"


@pytest.fixture(scope="module", params=["onnx", "torch"])
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    if request.param == "onnx":
        pytest.importorskip("onnxruntime")
    return inktex.load(pretrained_path(), engine=request.param)


def test_a_chosen_candidate_is_read_and_the_rest_anew(
    recognizer: Recognizer, repository: Path
) -> None:
    picture = repository / "spaces_app" / "examples" / "integral_limit.png"
    reading = recognizer(picture, candidates=3)
    assert len(reading.candidates) == len(reading.tokens.split())
    place = reading.tokens.split().index("g")
    chosen = reading.candidates[place][0]
    assert chosen.token != "g"
    assert len(reading.candidates[place]) <= 3
    again = recognizer(picture, locked={chosen.index: chosen.token})
    assert again.tokens.split()[:place] == reading.tokens.split()[:place]
    assert again.tokens.split()[chosen.index] == chosen.token
    assert again.tokens.split()[place + 1 :] == reading.tokens.split()[place + 1 :]
    assert again.token_scores[place] == pytest.approx(chosen.score, abs=1e-4)
    others = reading.score / reading.token_scores[place]
    assert again.score == pytest.approx(others, rel=0.5)
    assert again.score > again.token_scores[place]
    assert recognizer(picture).candidates == ()


def test_all_presets_keep_locked_tokens(repository: Path) -> None:
    picture = repository / "spaces_app" / "examples" / "integral_limit.png"
    reading = inktex.load()(picture, preset="accurate", locked={1: "f"}, candidates=2)
    assert reading.tokens.split()[1] == "f"
    assert {one.token for one in reading.candidates[1]} & {"g", "q"}


@pytest.mark.parametrize(
    ("locked", "words"),
    [
        ({1: "}"}, "'}' cannot stand at place 1 of the reading"),
        ({0: r"\nonsense"}, "has no token"),
        ({0: "</s>"}, "has no token"),
        ({-1: "x"}, "whole numbers from 0 to 199"),
        ({"1": "x"}, "whole numbers from 0 to 199"),
    ],
)
def test_what_cannot_be_locked_is_said(
    recognizer: Recognizer, repository: Path, locked: dict[int, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        recognizer(repository / "spaces_app" / "examples" / "integral_limit.png", locked=locked)


def test_counts_are_whole_numbers() -> None:
    with pytest.raises(ValueError, match="candidates is a whole number"):
        SearchOptions(candidates=-1)
