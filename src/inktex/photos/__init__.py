"""Pictures of ink as people take them: what the ink extraction network is trained on."""

from .photo import Photo, draw_empty, draw_photo, largest_scale

__all__ = ["Photo", "draw_empty", "draw_photo", "largest_scale"]
