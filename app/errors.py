"""Errors meant for the person at the keyboard: one clear sentence, and the exit status the command ends with."""


class BungyoError(Exception):
    """Something failed while running. The command prints `message` (and `hint`, if any) and exits with status 1.

    Args:
        message: one sentence saying what is wrong, naming the file, key or device it is about.
        hint: the command or change that mends it, or an empty string.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def one_line(self) -> str:
        """Message and hint on one line: those of drivers and compilers may have many."""
        return " ".join(str(self).split())


class InputError(BungyoError):
    """What the user gave (a file, an option, a value) cannot be used. Exit status 2."""

    exit_status = 2
