"""Which modules of libraries stand empty in an image? What is used imports them, and they import for what is not.

Each import is time before a pod's first secret: these are a tenth of all that reading one imports. An empty package
still holds its other modules; a name that it had is missed with an error. The tests of built images import every
module, and those on a cluster make every call.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

# Apache's licence wants changed files to say so.
NOTICE = "# Emptied by token-injector's images/emptied.py.\n"

_EMPTIED = {
    # HTTP/2, which urllib3 speaks only where it is asked to. It imports what looks through the installed packages.
    "urllib3/http2/__init__.py": {
        *("annotations", "version", "typing", "__all__"),
        *("orig_HTTPSConnection", "inject_into_urllib3", "extract_from_urllib3"),
    },
    # Writes botocore's reference documentation.
    "botocore/docs/__init__.py": {"os", "ServiceDocumenter", "DEPRECATED_SERVICE_NAMES", "generate_docs"},
}


class EmptiedError(RuntimeError):
    """A library is not what it was: nothing is emptied."""


def empty(application: Path) -> None:
    """Empty them below the application's folder. Raises `EmptiedError`, and changes nothing, if one is another."""
    files = {name: sorted(application.rglob(name)) for name in _EMPTIED}
    for name, found in files.items():
        if len(found) != 1:
            raise EmptiedError(f"expected one {name} below {application}, found {len(found)}: images/emptied.py")
        defined = set(_defined(ast.parse(found[0].read_text())))
        if more := sorted(defined - _EMPTIED[name]):
            raise EmptiedError(f"{found[0]} has {', '.join(more)} now: look whether we use it: images/emptied.py")
    for (file,) in files.values():
        file.write_text(NOTICE)


def _defined(module: ast.Module) -> Iterator[str]:
    """The names that a module defines, and the kind of each statement that does something else."""
    for statement in module.body:
        match statement:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (each.asname or each.name for each in names)
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name
            case _:
                yield type(statement).__name__
