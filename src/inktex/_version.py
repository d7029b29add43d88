"""The version of the package, in this one place; setup.cfg reads it from here."""

__version__ = "0.2.0"
