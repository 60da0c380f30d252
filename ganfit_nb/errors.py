"""The one exception for errors that a user can mend."""

from __future__ import annotations


class GanfitError(Exception):
    """A bad input or a missing part. Its message is one sentence that says what to do.

    argument  the Python argument that mends it, if one does; the command line names its own option instead
    """

    def __init__(self, sentence: str, argument: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence, self.argument = sentence, argument

    def __str__(self) -> str:
        return self.mended_by(f"argument `{self.argument}`") if self.argument else self.sentence

    def mended_by(self, what: str) -> str:
        """The sentence, with the argument or option that mends it in brackets."""
        return f"{self.sentence.removesuffix('.')} ({what})."

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows in place of a traceback. The sentence says what to do; a traceback does not."""
        return [str(self)]
