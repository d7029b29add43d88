"""What a client may ask for: fields, their limits, and sentences about what is wrong with them."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.requests import Request

from inktex.alphabet import ALPHABETS
from inktex.engine import MAX_TOKENS as MAX_PLACES
from inktex.engine import Preset
from inktex.formats import DEFAULT_FORMAT, FORMATS
from inktex.inputs import MAX_POINTS, MAX_STROKES

from .refusals import RefusedError
from .settings import MAX_ALTERNATIVES, MAX_CANDIDATES, MAX_NAME, MAX_TOKENS, MAX_VALUES

NAMES: Final = ("all", *ALPHABETS)
CROSS: Final[list[JsonValue]] = [[[0, 0], [20, 30]], [[20, 0], [0, 30]]]
"""Strokes of an x."""
EXAMPLE_OF_ONE: Final[dict[str, JsonValue]] = {"strokes": CROSS, "format": "typst"}
EXAMPLE_OF_SEVERAL: Final[dict[str, JsonValue]] = {
    "items": [{"strokes": CROSS}, {"picture": "iVBORw0KGgo="}]
}
Model = TypeVar("Model", bound=BaseModel)
_KINDS: Final = {"application/json": "json", "multipart/form-data": "form"}
_WORDS: Final = {
    "extra_forbidden": "there is no such field",
    "model_type": "it must be a JSON object",
}
"""For errors that pydantic tells in words of Python."""
_MAX_FIELDS: Final = 20
"""Of a form, beside its files."""


def _format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"there is no such format; there are {', '.join(FORMATS)}")
    return name


def _alphabet(name: str) -> str:
    # The recognizer would take any other name for a file of this machine.
    if name not in NAMES:
        raise ValueError(f"there is no such alphabet; there are {', '.join(NAMES)}, or give tokens")
    return name


Coordinate = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e9, le=1e9)]
Point = tuple[Coordinate, Coordinate]
Strokes = Annotated[list[list[Point]], Field(min_length=1, max_length=MAX_STROKES)]
AlphabetName = Annotated[
    str, AfterValidator(_alphabet), WithJsonSchema({"enum": list(NAMES), "type": "string"})
]
FormatName = Annotated[
    str, AfterValidator(_format), WithJsonSchema({"enum": list(FORMATS), "type": "string"})
]
Token = Annotated[str, Field(max_length=100)]
Place = Annotated[int, Field(ge=0, lt=MAX_PLACES)]


class Options(BaseModel):
    """How to read, and what to answer."""

    model_config = ConfigDict(extra="forbid")

    preset: Preset = Field(default="fast", description="`accurate` takes several times as long")
    alternatives: StrictInt = Field(
        default=0, ge=0, le=MAX_ALTERNATIVES, description="how many other readings to give"
    )
    alphabet: AlphabetName | Annotated[list[Token], Field(max_length=MAX_TOKENS)] | None = Field(
        default=None,
        description="which symbols may be read: a name, or tokens (default: the server's)",
    )
    format: FormatName = Field(default=DEFAULT_FORMAT, description="in which `text` is written")
    symbols: StrictBool = Field(
        default=False, description="whether to give each symbol with its box"
    )
    regions: StrictBool = Field(
        default=False,
        description="whether to read each of several formulas in a picture: `results`, row by row",
    )
    candidates: StrictInt = Field(
        default=0,
        ge=0,
        le=MAX_CANDIDATES,
        description="how many tokens to give that may stand in the place of each symbol",
    )
    locked: dict[Place, Token] = Field(
        default={},
        max_length=MAX_TOKENS,
        description="tokens that the reading has to have, by their indices in its tokens",
    )

    @model_validator(mode="after")
    def _check_options(self) -> Options:
        if self.regions and self.locked:
            raise ValueError("locked is of one formula: leave it out, or regions")
        return self


class Item(BaseModel):
    """One formula: a picture, pen strokes, or the URL of a picture."""

    model_config = ConfigDict(extra="forbid")

    picture: str | None = Field(
        default=None, description="base64 of the file of a picture, or of InkML; or a data: URL"
    )
    strokes: Strokes | None = Field(
        default=None, description="each a list of points [x, y], y downwards, in any unit"
    )
    url: Annotated[str, Field(max_length=MAX_NAME)] | None = Field(
        default=None,
        description="http(s) URL of a picture, where the server was started with --allow-urls",
    )

    @model_validator(mode="after")
    def _check(self) -> Item:
        if sum(one is not None for one in (self.picture, self.strokes, self.url)) != 1:
            raise ValueError("give one of picture, strokes and url")
        points = sum(map(len, self.strokes or ()))
        if self.strokes is not None and not points:
            raise ValueError("the strokes have no point")
        if points > MAX_POINTS:
            raise ValueError(f"the strokes have {points} points; {MAX_POINTS} can be read")
        return self


class OneRequest(Options, Item):
    """A formula, and how to read it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE_OF_ONE})


class SeveralRequest(Options):
    """Several formulas, and how to read them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE_OF_SEVERAL})

    items: Annotated[
        list[Any],
        Field(min_length=1),
        WithJsonSchema({"type": "array", "items": {"$ref": "#/components/schemas/Item"}}),
    ]


class UploadRequest(Options):
    """Files, and how to read them."""

    file: list[bytes] = Field(
        description="a picture or InkML; several parts of this name are several pictures",
    )


def read_json(content: bytes) -> Any:
    """The value of JSON.

    Raises:
        RefusedError: if it is none, or would take much memory.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise RefusedError(
            f"The JSON has more than {MAX_VALUES} values. Send fewer points or pictures.", 413,
            "too_large",
        )  # fmt: skip
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise RefusedError(f"The request is no JSON that can be read: {error}.", 400) from error


def validate(model: type[Model], given: Any) -> Model:
    """A model of what was given.

    Raises:
        RefusedError: a sentence that names the first fields that are wrong.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RefusedError(f"The request cannot be taken: {_faults(error)}.") from error


def parse(given: Any, batch: int) -> tuple[Options, list[Item | RefusedError], bool]:
    """What a JSON body asks for.

    Args:
        given: the JSON.
        batch: items at most.

    Returns:
        How to read; the items, those that are wrong as errors; whether it is a list of them.

    Raises:
        RefusedError: if the body is wrong otherwise.
    """
    if not (isinstance(given, dict) and "items" in given):
        one = validate(OneRequest, given)
        return one, [one], False
    several = validate(SeveralRequest, given)
    if len(several.items) > batch:
        raise RefusedError(
            f"The request has {len(several.items)} items, and {batch} are taken at a time: send "
            "them in several requests.", 413, "too_large",
        )  # fmt: skip
    return several, [_item(one) for one in several.items], True


def _item(given: Any) -> Item | RefusedError:
    try:
        return validate(Item, given)
    except RefusedError as error:
        return error


async def read_form(request: Request, batch: int) -> tuple[list[bytes], dict[str, str]]:
    """The files of a form's field `file`, and its other fields.

    Args:
        batch: files at most.

    Raises:
        RefusedError: if there is no file, or the fields are not these.
        HTTPException: if it is no form.
    """
    files: list[bytes] = []
    fields: dict[str, str] = {}
    async with request.form(max_files=batch, max_fields=_MAX_FIELDS) as form:
        for name, value in form.multi_items():
            if (name == "file") != isinstance(value, UploadFile) or name in fields:
                raise RefusedError(
                    "A form has files in fields named `file` (curl: -F file=@formula.png), and "
                    "each of the other fields once, as text."
                )
            if isinstance(value, UploadFile):
                files.append(await value.read())
            else:
                fields[name] = value
    if not files:
        raise RefusedError("There is no file in the form (curl: -F file=@formula.png).")
    return files, fields


def kind_of(request: Request) -> str:
    """What the body of a request is, by its header: `json` or `form`.

    Raises:
        RefusedError: if it is neither.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _KINDS:
        raise RefusedError(
            "The request must be JSON (Content-Type: application/json) or a form with files "
            "(multipart/form-data).", 415,
        )  # fmt: skip
    return _KINDS[kind]


def parse_form(fields: dict[str, str]) -> Options:
    """How to read, by the fields of a form; numbers, lists and `true` are written as in JSON.

    Raises:
        RefusedError: if one is wrong.
    """
    return validate(Options, {name: _value(text) for name, text in fields.items()})


def _value(text: str) -> Any:
    try:
        return from_json(text[:MAX_VALUES], allow_inf_nan=False)
    except ValueError:
        return text


def _faults(error: ValidationError) -> str:
    found: dict[str, str] = {}
    for one in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part)[:60] for part in one["loc"] if not _is_internal(part))
        words = _WORDS.get(one["type"], one["msg"]).removeprefix("Value error, ")
        found.setdefault(place, f"{place}: {words}" if place else words)
    return "; ".join([*found.values()][:3])


def _is_internal(part: int | str) -> bool:
    """Whether it is pydantic's name of a member of a union."""
    return isinstance(part, str) and ("[" in part or "(" in part)
