"""Writes what the code knows better into the documentation, between `<!-- generated: NAME -->` and `<!-- end -->`.

`python docs/generate.py` rewrites them; `--check` ends with 1 and names the file that differs.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.annotations import ANNOTATIONS
from ctl.piggy_values import DIFFERENT, SAME
from secretenv.broker import flags
from secretenv.piggy import PIGGY_ANNOTATIONS
from serving.flags import Setting
from webhook.flags import GLOBAL_SETTINGS, SERVER_SETTINGS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
GOLDEN = ROOT / "tests/webhook/golden/native-sidecar"
RESULTS = DOCS / "results"
BROKER_METRICS = ROOT / "secretenv/broker/metrics.py"
METRICS = (ROOT / "serving/metrics.py", ROOT / "webhook/metrics.py")
_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def annotation_table() -> str:
    """What users write, from contract/annotations.py."""
    lines = ["| annotation | on | value | default | what it does |", "|---|---|---|---|---|"]
    for row in ANNOTATIONS:
        alias = f"<br>or `{row.alias}`" if row.alias else ""
        cells = (f"`{row.key}{row.named}`{alias}", ", ".join(row.places), row.form, row.default, row.about)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def piggy_table() -> str:
    """What piggy's users write, from secretenv/piggy_table.py."""
    lines = ["| annotation | variable | piggy's default | what it does here |", "|---|---|---|---|"]
    for row in PIGGY_ANNOTATIONS:
        key = f"`{row.key}`" if row.on_pod else f"none (`{row.key}` is not looked at)"
        environ, default = (f"`{text}`" if text else "" for text in (row.environ, row.default))
        lines.append("| " + " | ".join(_cell(cell) for cell in (key, environ, default, row.effect)) + " |")
    return "\n".join(lines) + "\n"


def piggy_values() -> str:
    """The values of piggy's chart, from ctl/piggy_values.py."""
    lines = ["| piggy's value | ours |", "|---|---|"]
    lines += [f"| `{theirs}` | `{ours}` |" for theirs, ours in SAME.items()]
    lines += [f"| `{theirs}` | {_cell(about)} |" for theirs, about in DIFFERENT.items()]
    return "\n".join(lines) + "\n"


def setting_tables() -> str:
    """What operators set, from webhook/flags.py."""
    return _setting_tables({"logging (before `server`)": GLOBAL_SETTINGS, **SERVER_SETTINGS})


def broker_setting_tables() -> str:
    """What the broker's operators set, from secretenv/broker/flags.py."""
    return _setting_tables({"logging (before `broker`)": flags.GLOBAL_SETTINGS, **flags.BROKER_SETTINGS})


def _setting_tables(groups: Mapping[str, Sequence[Setting]]) -> str:
    parts = []
    for title, settings in groups.items():
        lines = [
            f"### {title[0].upper()}{title[1:]}",
            "",
            "| flag | variable | default | what it does |",
            "|---|---|---|---|",
        ]
        for setting in settings:
            default = f"`{setting.default}`" if setting.default else ""
            cells = (f"`--{setting.flag}`", f"`{setting.variable}`", default, setting.about)
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def pod_before() -> str:
    """The golden pod as its author wrote it."""
    _, _, pod = (GOLDEN / "pod.yaml").read_text().partition("\n")
    return f"```yaml\n{pod}```\n"


def pod_after() -> str:
    """The golden pod as the webhook leaves it."""
    return f"```yaml\n{(GOLDEN / 'expected.yaml').read_text()}```\n"


def metric_table() -> str:
    """What Prometheus finds of the webhook, from serving/metrics.py and webhook/metrics.py."""
    return _metric_table(METRICS)


def broker_metric_table() -> str:
    """What Prometheus finds of the broker alone, from secretenv/broker/metrics.py."""
    return _metric_table((BROKER_METRICS,))


def _metric_table(paths: Sequence[Path]) -> str:
    lines = ["| metric | type | labels | what it says |", "|---|---|---|---|"]
    for name, kind, labels, about in sorted(metrics(paths)):
        shown = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{name}` | {kind} | {shown} | {_cell(about)} |")
    return "\n".join(lines) + "\n"


def metrics(paths: Sequence[Path] = (*METRICS, BROKER_METRICS)) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and help of every metric. Read, not run: prometheus_client makes files when it is run."""
    for node in (node for path in paths for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _METRIC_TYPES:
            name, about, *more = (ast.literal_eval(argument) for argument in node.args)
            yield name + ("_total" if node.func.id == "Counter" else ""), node.func.id.lower(), (more or [()])[0], about


def fault_table() -> str:
    """What is lost when things break, from the committed results of `make faults`."""
    from bench.faults.result import markdown_table  # noqa: PLC0415 - only where there are results

    found = _results("faults")
    if not found["rows"]:
        return _NO_RUN.format("make faults")
    return _where(found) + markdown_table(found["rows"])


def node_table() -> str:
    """What a pod's start and a sleeping sidecar cost, from the committed results of `make bench-node`."""
    found = _results("node")
    if not found["results"]:
        return _NO_RUN.format("make bench-node")
    lines = ["| what | measured | bound | beside |", "|---|--:|--:|---|"]
    for row in found["results"]:
        bound = "" if row["bound"] is None else f"{row['bound']:g} {row['unit']}"
        lines.append(f"| {_cell(row['name'])} | {row['value']:z.2f} {row['unit']} | {bound} | {_cell(row['floor'])} |")
    return _where(found) + "\n".join(lines) + "\n"


_METRIC_TYPES = ("Counter", "Gauge", "Histogram")
_NO_RUN = "No results of `{}` are committed yet.\n"


def _results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def _where(found: Mapping[str, str]) -> str:
    return f"`{found['command']}` on {found['date']}, {found['cluster']}:\n\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


GENERATED: Mapping[str, Callable[[], str]] = {
    "annotation-table": annotation_table,
    "piggy-table": piggy_table,
    "piggy-values": piggy_values,
    "setting-tables": setting_tables,
    "pod-before": pod_before,
    "pod-after": pod_after,
    "metrics": metric_table,
    "broker-settings": broker_setting_tables,
    "broker-metrics": broker_metric_table,
    "faults": fault_table,
    "node": node_table,
}


def render(text: str) -> str:
    """The document with every generated block renewed. Raises `KeyError` for a block that nobody generates."""
    return _BLOCK.sub(lambda found: f"{found[1]}{GENERATED[found[2]]()}{found[3]}", text)


def main() -> int:
    """Rewrite or check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 if something would change")
    check = parser.parse_args().check
    sys.path.append(str(ROOT))  # bench is no installed package
    stale = [path for path in sorted(DOCS.glob("*.md")) if render(path.read_text()) != path.read_text()]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: run make docs", file=sys.stderr)
        else:
            path.write_text(render(path.read_text()))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
