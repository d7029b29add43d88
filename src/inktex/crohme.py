"""The place of CROHME's data set in inktex 0.1 and 0.2."""

raise ImportError("inktex.crohme is now inktex.data.crohme: from inktex.data.crohme import Crohme")
