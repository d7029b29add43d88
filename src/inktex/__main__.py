"""`python -m inktex` is the `inktex` command."""

import sys

from .cli import main

sys.exit(main())
