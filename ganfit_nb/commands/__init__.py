"""The command `ganfit` and its subcommands. Each module adds its options to the parser and runs the command."""
