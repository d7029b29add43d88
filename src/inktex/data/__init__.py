"""Sources of ink beside CROHME's."""
