r"""The tokenizer, how it is built out of the vocabulary, and the two files that ship it.

    python -m inktex.tokenizer.tokenization_inktex

writes `tokenizer.json` and `tokenizer_config.json` beside this file.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Replace
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from .compact_inktex import compact
from .vocabulary_inktex import (
    ALIASES,
    EOS_TOKEN,
    EXPANSIONS,
    IDS,
    L2R_TOKEN,
    PAD_TOKEN,
    R2L_TOKEN,
    SPECIAL_TOKENS,
    UNK_TOKEN,
)

__all__ = [
    "TOKENIZER_FILES",
    "TOKEN_PATTERN",
    "InktexTokenizer",
    "build_tokenizer",
    "main",
    "save_tokenizer",
]

TOKEN_PATTERN = r"\\(?:begin|end)\{matrix\}|<(?:mark|nothing)>|\\[a-zA-Z]+|\\.|\S"
"""One token: a matrix's begin or end, a token of inktex's own, a command, an escaped character, or
any other character but a space."""

MODULE = "tokenization_inktex"
"""Name of this file on the Hub, where there are no packages."""

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


class InktexTokenizer(PreTrainedTokenizerFast):
    r"""Word-level LaTeX tokenizer that also writes compact LaTeX.

    Encodes `x^{2}` as `<l2r> x ^ { 2 } </s>`, pads on the right, and decodes to canonical tokens
    with single spaces.

    Example:
        >>> tokenizer = build_tokenizer()
        >>> tokenizer.compact(tokenizer(r"\alpha x ^ { 2 }").input_ids)
        '\\alpha x^{2}'
    """

    def compact(self, tokens: str | Sequence[int] | Any) -> str:
        """Write one expression as compact LaTeX that compiles.

        Args:
            tokens: canonical tokens with spaces between them, or the ids of one sequence: a
                list, an array or a tensor. Special tokens are left out.
        """
        if not isinstance(tokens, str):
            tokens = self.decode(tokens, skip_special_tokens=True)
        return compact(tokens.split())


def build_tokenizer() -> InktexTokenizer:
    r"""Build the word-level LaTeX tokenizer.

    Spaced and unspaced LaTeX encode alike, other spellings (`\le`, `\to`) encode as their
    canonical token, and a token outside the vocabulary as `<unk>`.  Arguments without
    braces and the like are not repaired here: that takes a parser, which the normaliser is.

    Returns:
        A tokenizer that encodes `x^{2}` as `<l2r> x ^ { 2 } </s>`, pads on the right, and
        decodes to canonical tokens with single spaces.
    """
    return InktexTokenizer(
        tokenizer_object=_build_backend(),
        bos_token=L2R_TOKEN,
        eos_token=EOS_TOKEN,
        pad_token=PAD_TOKEN,
        unk_token=UNK_TOKEN,
        extra_special_tokens={"r2l_token": R2L_TOKEN},
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
        # The spaces are the token borders; "x ." must not become "x.".
        clean_up_tokenization_spaces=False,
    )


def _build_backend() -> Tokenizer:
    backend = Tokenizer(WordLevel(dict(IDS), unk_token=UNK_TOKEN))
    spellings = {alias: (token,) for alias, token in ALIASES.items()} | EXPANSIONS
    backend.normalizer = NormalizerSequence(
        [
            # The spaces keep the new command apart from a letter behind it.
            Replace(Regex(_command_pattern(alias)), f" {' '.join(tokens)} ")
            for alias, tokens in spellings.items()
            if alias.startswith("\\")  # `'` is a script, which only the parser can write
        ]
    )
    backend.pre_tokenizer = Split(Regex(TOKEN_PATTERN), "removed", invert=True)
    backend.post_processor = TemplateProcessing(
        single=f"{L2R_TOKEN} $A {EOS_TOKEN}",
        special_tokens=[(L2R_TOKEN, IDS[L2R_TOKEN]), (EOS_TOKEN, IDS[EOS_TOKEN])],
    )
    backend.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    return backend


def _command_pattern(command: str) -> str:
    r"""Match `command` as a whole: `\le` neither in `\left` nor behind the `\` of `\\`."""
    ending = "(?![a-zA-Z])" if command[-1].isalpha() else ""
    return rf"(?<!\\){re.escape(command)}{ending}"


def save_tokenizer(folder: Path) -> None:
    """Write the files of `TOKENIZER_FILES` into `folder`, which is made where it is missing.

    The bytes depend on the vocabulary and on the versions of the libraries alone.
    """
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        path = folder / name
        content = json.loads(path.read_text(encoding="utf-8"))
        if name == "tokenizer_config.json":
            # Where AutoTokenizer finds the class when the package is not installed: an entry for
            # slow tokenizers, which is empty, and one for fast ones.
            content["auto_map"] = {"AutoTokenizer": [None, f"{MODULE}.{InktexTokenizer.__name__}"]}
        text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=name != "tokenizer.json")
        path.write_text(text + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Write the tokenizer files from the command line."""
    parser = argparse.ArgumentParser(description="Write tokenizer.json and its configuration.")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(__file__).parent,
        help="where the files go (default: beside this module)",
    )
    save_tokenizer(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main()
