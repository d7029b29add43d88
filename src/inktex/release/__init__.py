"""Releases: a repository is built in a folder, verified there, and only then published."""
