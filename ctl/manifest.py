"""YAML as Kubernetes reads it: documents in, documents out.

Pure. What is not changed keeps its text to the letter, comments included; what is changed keeps the order of its
fields and the comments above it. Scalars are read as sigs.k8s.io/yaml does, which differs from PyYAML: no dates, no
sexagesimal numbers, `y` and `n` are booleans.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from ctl.errors import UsageError

_MAP = "tag:yaml.org,2002:"
# https://github.com/kubernetes-sigs/yaml/blob/master/goyaml.v2/resolve.go
_BOOL = r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
_INT = r"[-+]?(0|[1-9][0-9_]*|0[0-7_]+|0o[0-7_]+|0b[01_]+|0x[0-9a-fA-F_]+)"
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_SCALARS: tuple[tuple[str, str, str], ...] = (
    ("bool", _BOOL, "yYnNtTfFoO"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a stream."""

    origin: str
    """For messages: the file, and which document of it."""
    text: str
    """As written, with its `---` and every comment up to the next one."""
    lead: str
    """The part of the text before the content: `---`, comments."""
    is_marked: bool
    """Whether the text has its own `---`."""
    content: Any
    """Plain data; None for an empty document."""


class _Loader(yaml.SafeLoader):
    """Notes where documents begin, and whether with a `---`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.starts: list[tuple[int, bool]] = []

    def compose_document(self) -> yaml.Node | None:
        start: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it open
        self.starts.append((start.start_mark.index, bool(start.explicit)))
        return super().compose_document()


class _Dumper(yaml.SafeDumper):
    """Quotes what any reader could take for something else than a string; writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Scripts stay readable: several lines are a literal block."""
    return dumper.represent_scalar(f"{_MAP}str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _SCALARS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            f"{_MAP}{_name}", re.compile(rf"(?:{_pattern})\Z"), ["" if first == "\0" else first for first in _first]
        )


def _construct_bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return str(loader.construct_scalar(node)).lower() in {"y", "yes", "true", "on"}


_Loader.add_constructor(f"{_MAP}bool", _construct_bool)


def read_documents(text: str, origin: str) -> list[Document]:
    """The documents of a stream, JSON among them. Raises `UsageError` with file, line and column; quotes nothing."""
    if text.lstrip().startswith("{"):  # YAML readers refuse the tabs that JSON may be indented with
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):  # it may still be YAML's flow style, or several documents
            pass
        else:
            return [Document(origin=origin, text=text, lead="", is_marked=False, content=content)]
    found: list[tuple[int, Any]] = []
    try:
        loader = _Loader(text)
        while loader.check_node():
            node: Any = loader.get_node()
            content = loader.construct_object(node, deep=True)  # deep: refuses an anchor that contains itself
            found.append((node.start_mark.index, content))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UsageError(f"{origin}: {place}{exc.problem or exc.context}: write it as YAML or JSON") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"{origin}: it is not YAML that Kubernetes reads: check it with kubectl --dry-run") from None
    return [_document(text, origin, loader.starts, index, *place) for index, place in enumerate(found)]


def _document(text: str, origin: str, starts: list[tuple[int, bool]], index: int, begin: int, content: Any) -> Document:
    start = starts[index][0] if index else 0
    end = starts[index + 1][0] if index + 1 < len(starts) else len(text)
    return Document(
        origin=f"{origin}, document {index + 1}" if len(starts) > 1 else origin,
        text=text[start:end],
        lead=text[start:begin],
        is_marked=starts[index][1],
        content=content,
    )


def write_document(content: Any) -> str:
    """One document without `---`, fields in their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1 << 20, allow_unicode=True)


def rewritten(document: Document, content: Any) -> Document:
    """The document with another content, below the same comments."""
    lead = document.lead if not document.lead or document.lead.endswith("\n") else document.lead.rstrip(" ") + "\n"
    text = lead + write_document(content)
    return Document(origin=document.origin, text=text, lead=lead, is_marked=document.is_marked, content=content)


def join_documents(documents: Iterable[Document]) -> str:
    """One stream: each text as it is, and `---` where two would run together."""
    stream = ""
    for document in documents:
        if stream and not stream.endswith("\n"):
            stream += "\n"
        stream += document.text if document.is_marked or not stream else f"---\n{document.text}"
    return stream if not stream or stream.endswith("\n") else stream + "\n"
