"""Expressions that nobody wrote: laid out by a typesetter, drawn with strokes."""
