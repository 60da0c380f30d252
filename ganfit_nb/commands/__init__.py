"""The subcommands of `ganfit` beside `fit`: each adds its grammar and runs."""
