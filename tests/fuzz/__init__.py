"""Fuzzing of every reader: small valid files, seeded mutations, and a child process that is watched."""
