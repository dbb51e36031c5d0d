"""How is a rendering shown? YAML, JSON, patches, a diff.

Pure: text out. The same input gives the same text, to the byte.
"""

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ctl.manifest import Document, join_documents, rewritten, write_document
from ctl.render import Rendering, patched

_COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}
_RESET = "\x1b[0m"


def as_yaml(documents: Sequence[Document], renderings: Sequence[Rendering]) -> str:
    """The stream of documents; those that nothing happened to are as they were written."""
    return contents_as_yaml(documents, _contents(documents, renderings))


def contents_as_yaml(documents: Sequence[Document], contents: Sequence[Any]) -> str:
    """The stream with these contents, where they are other objects than the documents' own."""
    return join_documents(
        document if content is document.content else rewritten(document, content)
        for document, content in zip(documents, contents, strict=True)
    )


def as_json(documents: Sequence[Document], renderings: Sequence[Rendering]) -> str:
    """One object as it is, several as a List, which `kubectl apply` takes."""
    return contents_as_json(_contents(documents, renderings))


def contents_as_json(contents: Sequence[Any]) -> str:
    """As `as_json`."""
    present = [content for content in contents if content is not None]
    return to_json(present[0] if len(present) == 1 else {"apiVersion": "v1", "kind": "List", "items": present})


def as_patch(renderings: Sequence[Rendering]) -> str:
    """A JSON array: each object that holds a pod, and its JSON Patch (RFC 6902), empty where nothing happens."""
    return to_json(
        [
            {
                "apiVersion": one.subject.api_version,
                "kind": one.subject.kind,
                "namespace": one.subject.namespace,
                "name": one.subject.name,
                "patch": one.patch,
            }
            for one in renderings
        ]
    )


def as_diff(renderings: Sequence[Rendering], *, colour: bool) -> str:
    """A unified diff of each object that changes, both sides written alike: only what is injected differs."""
    return objects_as_diff(
        (
            (one.subject.display_name, one.subject.manifest, patched(one.subject.manifest, one.patch))
            for one in renderings
            if one.patch
        ),
        "injected",
        colour=colour,
    )


def objects_as_diff(objects: Iterable[tuple[str, Any, Any]], what: str, *, colour: bool) -> str:
    """The same of objects by name, before and after."""
    lines: list[str] = []
    for name, before, after in objects:
        lines += difflib.unified_diff(_lines(before), _lines(after), name, f"{name} {what}", lineterm="")
    return "".join(f"{_coloured(line) if colour else line}\n" for line in lines)


def _contents(documents: Sequence[Document], renderings: Sequence[Rendering]) -> list[Any]:
    """Each document's content, the same object where nothing happens."""
    operations: dict[int, list[Any]] = {}
    for one in renderings:
        operations.setdefault(one.document, []).extend(one.document_patch)
    return [
        patched(document.content, operations[index]) if operations.get(index) else document.content
        for index, document in enumerate(documents)
    ]


def _lines(manifest: Any) -> list[str]:
    return write_document(manifest).splitlines()


def _coloured(line: str) -> str:
    return f"{_COLOURS[line[0]]}{line}{_RESET}" if line[:1] in _COLOURS else line


def to_json(value: Any) -> str:
    """As every command writes it."""
    return json.dumps(value, indent=2) + "\n"
