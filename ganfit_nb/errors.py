"""The one exception for what a user can mend."""


class GanfitError(Exception):
    """A bad input or a missing part. Its message is one sentence that says what to do; the command line prints it
    alone."""
