"""The one exception for what a user can mend."""


class GanfitError(Exception):
    """A bad input or a missing part. Its message is one sentence that says what to do; the command line prints it
    alone."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a stack: the sentence says what to do, and the stack does not."""
        return [str(self)]
