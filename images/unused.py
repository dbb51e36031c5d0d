"""What of an interpreter and its libraries does no program of ours run? Pure; the reasons stand beside the names.

A test imports every module that an image keeps: a name too many here is found there.
"""

from fnmatch import fnmatch
from pathlib import PurePosixPath

# For people who develop or sit at a terminal.
_FOR_PEOPLE = (
    *("ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtle.py", "turtledemo", "unittest", "venv"),
    *("__hello__.py", "__phello__", "antigravity.py", "this.py", "compileall.py", "doctest.py", "modulefinder.py"),
    *("pickletools.py", "pyclbr.py", "pydoc_data", "symtable.py", "tabnanny.py", "trace.py"),
    *("curses", "lib-dynload/_curses*", "lib-dynload/readline.*", "lib-dynload/_tkinter.*"),
)
# Databases, each with a shared library of its own; mailboxes, sound, the documents of XML.
_FORMATS = (
    *("dbm", "sqlite3", "lib-dynload/_dbm.*", "lib-dynload/_gdbm.*", "lib-dynload/_sqlite3.*"),
    *("imaplib.py", "mailbox.py", "poplib.py", "wave.py", "xml/dom", "xml/sax", "xmlrpc"),
)
# Kubernetes' and both clouds' texts are UTF-8.
_EAST_ASIAN_CODECS = (
    *("lib-dynload/_codecs_*", "lib-dynload/_multibytecodec.*", "encodings/big5*", "encodings/cp932.py"),
    *("encodings/cp949.py", "encodings/cp950.py", "encodings/euc_*", "encodings/gb*", "encodings/hz.py"),
    *("encodings/iso2022_*", "encodings/johab.py", "encodings/shift_jis*"),
)
# CPython's own tests, and what it has in C already.
_FOR_PYTHON = ("lib-dynload/_test*", "lib-dynload/_ctypes_test.*", "lib-dynload/*xx*", "_pyio.py")
# Notes to Debian's administrators and installers.
_FOR_DEBIAN = ("EXTERNALLY-MANAGED", "sitecustomize.py")
_STANDARD_LIBRARY = _FOR_PEOPLE + _FORMATS + _EAST_ASIAN_CODECS + _FOR_PYTHON + _FOR_DEBIAN

# For compilers and type checkers; libraries' own tests.
_EVERYWHERE = ("__pycache__", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "py.typed", "tests", "test_*.py", "*_test.py")

# The official client a second time, asynchronous, imported by nothing but itself; and what only it requires.
_ASYNCHRONOUS_CLIENT = "kubernetes/aio"
_ONLY_ASYNCHRONOUS = {"aiohttp", "aiohttp_retry", "aiosignal", "aiohappyeyeballs", "attr", "attrs", "frozenlist"}
_ONLY_ASYNCHRONOUS |= {"multidict", "propcache", "yarl"}
# cryptography uses cffi's extension module alone; the compiler around it has done its work.
_ONLY_COMPILING = {"cffi", "pycparser"}
# google-auth imports them for keys of the library `rsa`, which is not installed.
_ONLY_FOR_RSA = {"pyasn1", "pyasn1_modules"}
_LIBRARIES = _ONLY_ASYNCHRONOUS | _ONLY_COMPILING | _ONLY_FOR_RSA

# Of a virtual environment's bin/: what people and the image's entrypoint call.
_COMMANDS = (
    "python*",
    "token-injector-webhook",
    "token-injector-certs",
    "token-injector-broker",
    "kubectl-token_injector",
)


def unused_standard(path: PurePosixPath) -> bool:
    """Whether this file or folder of the standard library, named from there, is left out."""
    return _everywhere(path) or any(fnmatch(str(path), pattern) for pattern in _STANDARD_LIBRARY)


def unused_application(path: PurePosixPath) -> bool:
    """Whether this file or folder of the application's folder, named from there, is left out."""
    if path.parent.name == "bin":
        return not any(fnmatch(path.name, command) for command in _COMMANDS)
    library = path.name.partition("-")[0] if path.suffix == ".dist-info" else path.name
    if library in _LIBRARIES and path.parent.name in {"", "site-packages"}:
        return True
    return _everywhere(path) or path.match(_ASYNCHRONOUS_CLIENT)


def _everywhere(path: PurePosixPath) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in _EVERYWHERE)
