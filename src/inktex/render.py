"""The place of the pictures of ink in inktex 0.1 and 0.2."""

raise ImportError("inktex.render is now inktex.ink.render: from inktex.ink.render import render")
