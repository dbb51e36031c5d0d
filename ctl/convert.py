"""`convert`: what do piggy's manifests, or its chart's values, say in our words?

All or nothing: where something has to be mended first, standard output stays empty.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from contract import exit_codes
from ctl import gather
from ctl.errors import UsageError
from ctl.from_piggy import Conversion, convert
from ctl.manifest import Document, write_document
from ctl.output import contents_as_json, contents_as_yaml, objects_as_diff, to_json
from ctl.piggy_env import environ_in_values, piggy_environ
from ctl.piggy_shapes import wrong_shapes
from ctl.piggy_values import ConvertedValues, convert_values
from ctl.piggy_words import Difference
from ctl.streams import STDIN, Streams

DESCRIPTION = """\
Writes manifests of KongZ/piggy in this project's own words: the annotations piggysec.com/* of pods and of pod
templates, the values piggy:NAME of their variables and of the ConfigMaps and Secrets among the files. What piggy's
webhook has left in a manifest that was copied from a running pod is taken out. Nothing has to be converted for pods to
work: the webhook reads piggy's words as they are.

What is not changed keeps its text; a document that is keeps its fields' order and the comments above it. What differs
from piggy goes to standard error.

exit codes: 0 converted, 1 something has to be mended first and nothing was written, 2 a file or a flag can't be used
"""
EPILOG = """\
examples:
  kubectl token-injector convert -f deployment.yaml -o diff
  helm template my-release ./chart --namespace shop | kubectl token-injector convert -n shop -f -
  kubectl token-injector convert -f deployment.yaml --chart-values piggy-values.yaml
  kubectl token-injector convert --chart-values piggy-values.yaml > values.yaml

next: kubectl token-injector check -f FILE says whether the pods will start; then apply them
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, and what piggy's webhook knows."""
    gather.add_manifests(parser, required=False)
    gather.add_piggy_env(parser)
    values = "values of piggy's chart: alone they become ours; with -f its env holds for the pods"
    parser.add_argument("--chart-values", metavar="FILE", help=values)
    forms = "the objects, what changes, or what differs from piggy, for programs (default: yaml)"
    parser.add_argument("-o", "--output", choices=("yaml", "json", "diff", "report"), default="yaml", help=forms)


def run(arguments: argparse.Namespace, environ: Mapping[str, str], streams: Streams) -> int:
    """Read, convert, write; returns the exit code. Raises `UsageError`."""
    names = arguments.filename or []
    if [*names, arguments.chart_values].count(STDIN) > 1:
        raise UsageError("-f -, --chart-values -: standard input can be read once: give a file for the others")
    values = _values(arguments.chart_values, streams)
    if not names:
        if values is None:
            raise UsageError("convert: give manifests with -f, or piggy's chart values with --chart-values")
        return _write_values(convert_values(values), arguments.output, streams)
    piggys = {**environ_in_values(values or {}), **piggy_environ(arguments.piggy_env)}
    documents = gather.read_manifests(names, "-f", streams)
    found = convert(documents, piggys, arguments.namespace)
    _tell(found, streams)
    if found.is_blocked:
        print("nothing was written: mend what is marked with error, then convert again", file=streams.stderr)
        if arguments.output == "report":
            streams.stdout.write(_report(found))
        return exit_codes.DENIED
    colour = streams.stdout.isatty() and not environ.get("NO_COLOR")
    streams.stdout.write(_written(found, documents, arguments.output, colour=colour))
    return exit_codes.OK


def _tell(found: Conversion, streams: Streams) -> None:
    """What differs, object by object, and what to do next."""
    for one in found.objects:
        for difference in one.differences:
            print(f"{one.subject.display_name}: {_line(difference)}", file=streams.stderr)
    changed = [one for one in found.objects if one.after is not one.subject.manifest]
    if changed:
        print(
            f"{len(changed)} of {len(found.objects)} objects with words of piggy's were converted; next: kubectl "
            "token-injector check -f FILE",
            file=streams.stderr,
        )
    elif not found.is_blocked:
        print("nothing was converted: nothing here says piggy:NAME or has annotations of a source", file=streams.stderr)


def _written(found: Conversion, documents: list[Document], form: str, *, colour: bool) -> str:
    match form:
        case "json":
            return contents_as_json(found.contents)
        case "diff":
            changed = (
                (one.subject.display_name, one.subject.manifest, one.after)
                for one in found.objects
                if one.after is not one.subject.manifest
            )
            return objects_as_diff(changed, "converted", colour=colour)
        case "report":
            return _report(found)
        case _:
            return contents_as_yaml(documents, found.contents)


def _report(found: Conversion) -> str:
    return to_json(
        [
            {
                "apiVersion": one.subject.api_version,
                "kind": one.subject.kind,
                "namespace": one.subject.namespace,
                "name": one.subject.name,
                "converted": one.after is not one.subject.manifest,
                "differences": [
                    {"place": each.place, "text": each.text, "blocks": each.blocks} for each in one.differences
                ],
            }
            for one in found.objects
        ]
    )


def _values(name: str | None, streams: Streams) -> Mapping[str, Any] | None:
    if name is None:
        return None
    documents = gather.read_manifests([name], "--chart-values", streams)
    contents = [document.content for document in documents if document.content is not None]
    if len(contents) > 1 or any("kind" in content for content in contents):
        raise UsageError(f"--chart-values: {name}: expected the values of piggy's chart, one document")
    values = contents[0] if contents else {}
    if wrong := list(wrong_shapes(values)):
        raise UsageError(f"--chart-values: {name}: {'; '.join(wrong)}")
    return values


def _write_values(found: ConvertedValues, form: str, streams: Streams) -> int:
    if form not in ("yaml", "json"):
        raise UsageError(f"-o {form}: of values there is yaml and json")
    for difference in found.differences:
        print(f"values: {_line(difference)}", file=streams.stderr)
    streams.stdout.write(to_json(found.values) if form == "json" else write_document(found.values))
    print(
        "next: add image.repository and injector.image.repository, which nobody here knows, then helm template with "
        "these values",
        file=streams.stderr,
    )
    return exit_codes.OK


def _line(difference: Difference) -> str:
    return (
        f"{'error: ' if difference.blocks else ''}{difference.place}{': ' if difference.place else ''}{difference.text}"
    )
