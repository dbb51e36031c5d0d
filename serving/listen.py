"""Where do we listen? Go's address forms: ":8443" is every address, IPv6 and IPv4."""

import socket
from typing import Any

_BACKLOG = 1024
_HIGHEST_PORT = 65535


class ListenError(Exception):
    """The address can't be listened on; the message names the setting, the address and the form."""


def parse_address(setting: str, text: str) -> tuple[str, int]:
    """Host ("" is every address) and port. Raises `ListenError`."""
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if is_bracketed:
        host = host[1:-1]
    if not colon or not port.isdecimal() or int(port) > _HIGHEST_PORT or (":" in host and not is_bracketed):
        raise ListenError(
            f"{setting}: {text!r} is not an address: expected [HOST]:PORT, for example :8443, 127.0.0.1:8443 or "
            "[::1]:8443; port 0 takes a free one"
        )
    return host, int(port)


def listen(setting: str, text: str) -> socket.socket:
    """A listening socket. Raises `ListenError`."""
    host, port = parse_address(setting, text)
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as exc:
        raise ListenError(f"{setting}: can't listen on {text!r}: {exc.strerror or exc}") from exc


def shown(address: Any) -> str:
    """A socket's address as it is written in settings."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
