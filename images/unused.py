"""What of an interpreter and its libraries does no program of ours run? Pure; the reasons stand beside the names.

A test imports every module that an image keeps: a name too many here is found there.
"""

from fnmatch import fnmatch
from pathlib import PurePosixPath

# For people who develop or sit at a terminal.
_FOR_PEOPLE = (
    *("ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtle.py", "turtledemo", "unittest", "venv"),
    *("__hello__.py", "__phello__", "_pyrepl", "antigravity.py", "this.py", "doctest.py", "pdb.py", "pydoc.py"),
    *("pydoc_data", "cProfile.py", "profile.py", "pstats.py", "rlcompleter.py", "tabnanny.py", "trace.py"),
    *("curses", "lib-dynload/_curses*", "lib-dynload/readline.*", "lib-dynload/_lsprof.*", "lib-dynload/_tkinter.*"),
)
# Databases, each with a shared library of its own.
_DATABASES = ("dbm", "sqlite3", "lib-dynload/_dbm.*", "lib-dynload/_gdbm.*", "lib-dynload/_sqlite3.*")
# CPython's own tests.
_TESTS_OF_PYTHON = ("lib-dynload/_test*", "lib-dynload/_ctypes_test.*", "lib-dynload/_xxtest*", "lib-dynload/xx*")
# Notes to Debian's administrators and installers.
_FOR_DEBIAN = ("EXTERNALLY-MANAGED", "sitecustomize.py")
_STANDARD_LIBRARY = _FOR_PEOPLE + _DATABASES + _TESTS_OF_PYTHON + _FOR_DEBIAN

# For compilers and type checkers; libraries' own tests.
_EVERYWHERE = ("__pycache__", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "py.typed", "tests", "*_test.py")

# The official client a second time, asynchronous, imported by nothing but itself; and what only it requires.
_ASYNCHRONOUS_CLIENT = "kubernetes/aio"
_ITS_REQUIREMENTS = {"aiohttp", "aiohttp_retry", "aiosignal", "aiohappyeyeballs", "attr", "attrs", "frozenlist"}
_ITS_REQUIREMENTS |= {"multidict", "propcache", "yarl"}

# Of a virtual environment's bin/: what people and the image's entrypoint call.
_COMMANDS = ("python*", "token-injector-webhook", "token-injector-certs", "kubectl-token_injector")


def unused_standard(path: PurePosixPath) -> bool:
    """Whether this file or folder of the standard library, named from there, is left out."""
    return _everywhere(path) or any(fnmatch(str(path), pattern) for pattern in _STANDARD_LIBRARY)


def unused_application(path: PurePosixPath) -> bool:
    """Whether this file or folder of the application's folder, named from there, is left out."""
    if path.parent.name == "bin":
        return not any(fnmatch(path.name, command) for command in _COMMANDS)
    distribution = path.name.partition("-")[0] if path.suffix == ".dist-info" else path.name
    if distribution in _ITS_REQUIREMENTS and path.parent.name in {"", "site-packages"}:
        return True
    return _everywhere(path) or path.match(_ASYNCHRONOUS_CLIENT)


def _everywhere(path: PurePosixPath) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in _EVERYWHERE)
