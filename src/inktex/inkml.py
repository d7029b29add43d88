"""The place of the InkML reader in inktex 0.1 and 0.2."""

raise ImportError("inktex.inkml is now inktex.ink.inkml: from inktex.ink.inkml import read_inkml")
