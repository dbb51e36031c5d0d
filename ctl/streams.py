"""Where a command reads and writes, besides the files it is told: handed in, so that tests hand in their own."""

from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ctl.errors import UsageError

STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The three streams of a process."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO

    def read(self, name: str, flag: str) -> str:
        """The text of a file, or of standard input where the name is `-`. Raises `UsageError`.

        A token given in place of its file's name is not repeated.
        """
        if looks_like_token(name):
            raise UsageError(
                f"{flag}: this is the token itself, which now stands in the shell's history: give a file's name, "
                f"or pipe it in with {flag} -"
            )
        try:
            if name == STDIN:
                return self.stdin.read()
            return Path(name).read_text(encoding="utf-8-sig")
        except OSError as exc:
            raise UsageError(f"{flag}: {name}: {exc.strerror}: give a file that can be read, or -") from exc
        except UnicodeDecodeError:
            raise UsageError(f"{flag}: {name}: it is not UTF-8 text: give a text file") from None  # it quotes the file


def looks_like_token(text: str) -> bool:
    """Every JWT starts with `eyJ` (base64 of `{"`), every Google access token with `ya29.`."""
    return (text.startswith("eyJ") and "." in text) or text.startswith("ya29.")
