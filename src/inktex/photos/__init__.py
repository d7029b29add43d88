"""Pictures of ink as people take them: what the ink extraction network is trained on."""

from .clutter import Neighbour
from .photo import Photo, draw_empty, draw_photo, largest_scale

__all__ = ["Neighbour", "Photo", "draw_empty", "draw_photo", "largest_scale"]
