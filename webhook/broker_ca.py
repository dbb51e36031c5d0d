"""The CA of the broker's certificate, which pods get so that they trust no other server."""

from pathlib import Path

from webhook.reloaded_file import FileError, ReloadedFile

_BEGIN = "-----BEGIN CERTIFICATE-----"


class BrokerCaError(FileError):
    """A file with the broker's CA."""


class FileBrokerCa:
    """The CA in force."""

    def __init__(self, path: str | Path) -> None:
        """Read it. Raises `BrokerCaError`."""
        self._file = ReloadedFile(path, load_broker_ca, error=BrokerCaError, expected="certificates, PEM")

    @property
    def pem(self) -> str:
        """What holds now, cheap enough for every review."""
        return self._file.content()

    @property
    def problem(self) -> str | None:
        """Why the file as it is now is not in force; None while it is."""
        return self._file.problem

    @property
    def unready(self) -> str:
        """Never: the last good CA is in force."""
        return ""

    def stop(self) -> None:
        """Nothing was started."""


def load_broker_ca(text: str, origin: str) -> str:
    """The certificates in a text, and nothing else that may stand there. Raises `BrokerCaError`."""
    blocks = text.split(_BEGIN)[1:]
    end = "-----END CERTIFICATE-----"
    if not blocks or not all(end in block for block in blocks):
        raise BrokerCaError(f"{origin}: it holds no certificate: expected the CA of the broker's certificate, PEM")
    return "".join(f"{_BEGIN}{block.partition(end)[0]}{end}\n" for block in blocks)
