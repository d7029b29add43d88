"""Examples of a caption, and an augmentation that changes nothing."""

from inktex.data.augmentation import AugmentationConfig
from inktex.data.examples import Example, from_expression

STILL = AugmentationConfig(
    scale=(1.0, 1.0), aspect=0, rotation=0, slant=0, jitter=0, symbol_scale=0, elastic=0,
    stroke_widths=(3,),
)  # fmt: skip


def example(caption: str) -> Example:
    from inktex.synthesis.layout import lay_out
    from inktex.synthesis.strokefont import glyphs

    return from_expression(lay_out(caption.split(), glyphs().__getitem__))
