"""Stacks that come as an archive: compose files that refer to other files beside them, made into one pair of files."""
