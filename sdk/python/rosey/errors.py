"""Failures with the contract's codes."""

from typing import Any


class RoseyError(Exception):
    """A failure with a code. From a command's handler those of ANSWERS are told to the user."""

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None):
        super().__init__(message)
        self.code, self.details = code, details or {}


class Permanent(RoseyError):
    """An error that no further attempt can mend: the event is dead-lettered at once."""

    def __init__(self, message: str, code: str = "INVALID_INPUT"):
        super().__init__(code, message)


class TooLate(RoseyError):
    """An attempt that took longer than it may."""


def invalid(message: str) -> RoseyError:
    """The user did something wrong: say what to do next."""
    return RoseyError("INVALID_INPUT", message)


ANSWERS = ("INVALID_INPUT", "RECORD_NOT_FOUND", "PERMISSION_DENIED", "PLUGIN_ERROR")


def code_of(err: BaseException) -> str:
    return err.code if isinstance(err, RoseyError) else "PLUGIN_ERROR"


def text_of(err: BaseException) -> str:
    return (str(err) or type(err).__name__)[:4000]
