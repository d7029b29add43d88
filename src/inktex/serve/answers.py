"""What a server answers: `Reading.to_dict()`, with its text in the format that was asked for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from inktex.formats import DEFAULT_FORMAT
from inktex.results import Alternative, Reading

from .refusals import Kind

Probability = Annotated[float, Field(ge=0, le=1)]


class SymbolAnswer(BaseModel):
    """One symbol; see `inktex.results.ReadSymbol`."""

    index: int = Field(description="of its token")
    token: str
    score: Probability
    box: tuple[float, float, float, float] | None = Field(
        description="left, top, right and bottom of its ink, in pixels of the given picture or in "
        "the units of the given strokes"
    )


class AlternativeAnswer(BaseModel):
    """One candidate reading."""

    latex: str = Field(description="compact LaTeX that compiles")
    tokens: str = Field(description="the same as canonical tokens, separated by spaces")
    score: Probability = Field(description="that exactly this is written")
    token_scores: list[Probability] = Field(description="of each token, given those before it")
    text: str | None = Field(description="in the format; null where that cannot express it")
    text_error: str | None = Field(description="why the format cannot express it")
    doubtful: list[int] = Field(description="indices of the tokens that are worth a look")
    symbols: list[SymbolAnswer] = Field(description="empty unless they were asked for")


class TokenAnswer(BaseModel):
    """A token that may stand in the place of one that was read; see `inktex.results.Candidate`."""

    index: int = Field(description="of the token whose place it takes")
    token: str
    score: Probability


class ReadingAnswer(AlternativeAnswer):
    """The most probable reading of a picture, and others."""

    format: str = Field(description="of `text`")
    alternatives: list[AlternativeAnswer]
    candidates: list[list[TokenAnswer]] = Field(
        description="for each token what else may stand there; empty unless they were asked for"
    )
    box: tuple[float, float, float, float] | None = Field(
        description="left, top, right and bottom of the formula's ink, in pixels of the picture "
        "or in the units of the strokes"
    )
    rotation: int = Field(
        description="degrees by which the picture was turned clockwise to be read; boxes are in "
        "the picture as it was sent"
    )


class ErrorAnswer(BaseModel):
    """Why there is no reading."""

    error: str = Field(description="a sentence that says what to do")
    status: int = Field(description="of HTTP, or what it would be for this item alone")
    kind: Kind = Field(description="what is wrong, for programs")


class RegionsAnswer(BaseModel):
    """The formulas in a picture, row by row."""

    results: list[ReadingAnswer]


class SeveralAnswer(BaseModel):
    """Readings and errors, in the order of the items."""

    results: list[ReadingAnswer | RegionsAnswer | ErrorAnswer]


class AlphabetToken(BaseModel):
    """A token that the model was trained on."""

    token: str
    examples: int = Field(description="training examples that had it")


class AlphabetAnswer(BaseModel):
    """What the model can read."""

    names: list[str] = Field(description="of alphabets that a request may name")
    tokens: list[AlphabetToken] = Field(description="empty if the model does not say")


class HealthAnswer(BaseModel):
    """That the server is there."""

    status: str
    version: str = Field(description="of inktex")


def reading_answer(reading: Reading, format: str) -> ReadingAnswer:
    """A reading as it is answered, in a format of `inktex.formats.FORMATS`."""
    return ReadingAnswer(
        **_alternative(reading, format),
        format=format,
        alternatives=[
            AlternativeAnswer(**_alternative(one, format)) for one in reading.alternatives
        ],
        candidates=[
            [
                TokenAnswer(index=one.index, token=one.token, score=round(one.score, 6))
                for one in row
            ]
            for row in reading.candidates
        ],
        box=reading.box,
        rotation=reading.rotation,
    )


def _alternative(one: Alternative, format: str) -> dict[str, Any]:
    text, fault = None, None
    try:
        text = one.latex if format == DEFAULT_FORMAT else one.to(format)
    except ValueError as error:
        fault = str(error)
    return {
        "latex": one.latex,
        "tokens": one.tokens,
        # Of float32, which has no more digits, and may be a little above 1 before it is rounded.
        "score": round(one.score, 6),
        "token_scores": [round(score, 6) for score in one.token_scores],
        "doubtful": [*one.doubtful],
        "text": text,
        "text_error": fault,
        "symbols": [
            SymbolAnswer(
                index=symbol.index, token=symbol.token, score=round(symbol.score, 6), box=symbol.box
            )
            for symbol in one.symbols
        ],
    }
