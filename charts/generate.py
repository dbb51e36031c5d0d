"""Writes what the code knows better into the chart.

The webhook's settings in values.schema.json come from webhook/flags.py, the table of README.md from the comments of
values.yaml. `python charts/generate.py` rewrites both; `--check` ends with 1 and names the file that differs.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from secretenv.broker.flags import SETTINGS as BROKER_SETTINGS
from secretenv.broker.flags import key_url
from serving.flags import LOG_LEVELS, Setting, log_level, optional
from serving.values import boolean
from webhook import values
from webhook.entrypoint import settings as registries
from webhook.flags import SETTINGS, kubelet_version_floor

CHART = Path(__file__).resolve().parent / "token-injector"
# Flags that the chart gives itself: from its own values, or never, because they make no sense in a cluster.
GIVEN_BY_CHART = frozenset(
    {
        "listen-address",
        "telemetry-listen-address",
        "tls-cert-file",
        "tls-private-key-file",
        "image",
        "role-policy",
        "insecure-http",
        "service-accounts",
        "kubeconfig",
        "registry-pull-secret",
        "registry-ca",
        "pull-secret-namespace",
    }
)
GIVEN_TO_BROKER_BY_CHART = frozenset(
    {
        "listen-address",
        "telemetry-listen-address",
        "tls-cert-file",
        "tls-private-key-file",
        "shared-role-arn",
        "grants",
        "insecure-http",
        "kubeconfig",
    }
)
# What each parser takes, for Go's regular expressions, which know no lookahead. Not environment_entry: Helm's refusal
# would repeat what may be secret.
_PATTERNS = {
    values.audience: values.AUDIENCE.pattern,
    values.origin: values.ORIGIN.pattern,
    values.quantity: values.QUANTITY.pattern,
    values.quantity_or_none: f"(none|{values.QUANTITY.pattern})?",
    values.region: values.REGION.pattern,
    values.secret_name: values.DNS_SUBDOMAIN.pattern,
    values.session_name_template: rf"([^{{}}]|\{{({'|'.join(sorted(values.SESSION_NAME_PLACEHOLDERS))})\}})+",
    values.sts_regional_endpoints: "regional|legacy|true|false",
    values.token_file: r"([A-Za-z0-9_-]|\.[A-Za-z0-9_-])[A-Za-z0-9_.-]*",
    values.volume_name: values.DNS_LABEL.pattern,
    values.volume_path: r"(/([^/:$\s.]|\.[^/:$\s.]|\.\.[^/:$\s])[^/:$\s]*)+",
    registries.host_pattern: registries.PATTERN,
    registries.certificates: registries.CA,
    registries.mirror: registries.MIRROR,
    registries.namespace: registries.NAMESPACE,
    kubelet_version_floor: f"auto|{values.VERSION.pattern}",
}
_FORMS: dict[Any, dict[str, Any]] = {
    log_level: {"enum": list(LOG_LEVELS)},
    boolean: {"type": "boolean"},
    values.rotation_interval: {
        "type": "integer",
        "minimum": values.ROTATION_INTERVAL_MIN,
        "maximum": values.ROTATION_INTERVAL_MAX,
    },
    values.token_expiration: {
        "type": "integer",
        "minimum": values.TOKEN_EXPIRATION_MIN,
        "maximum": values.TOKEN_EXPIRATION_MAX,
    },
    key_url: {"type": "string", "pattern": "^https://[^=]+=https://.+"},
    **{parse: {"type": "string", "pattern": f"^({pattern})$"} for parse, pattern in _PATTERNS.items()},
}
_FORMS[values.token_file]["maxLength"] = 253
_BLOCK = re.compile(r"(<!-- generated: values -->\n).*?(<!-- end -->)", re.DOTALL)
_KEY = re.compile(r"( *)([A-Za-z][A-Za-z-]*):")
_MARK = "# -- "
_LONGEST_DEFAULT = 60


def schema() -> str:
    """values.schema.json with the settings of webhook and broker renewed."""
    whole = json.loads((CHART / "values.schema.json").read_text())
    for program, settings, given in (
        ("webhook", SETTINGS, GIVEN_BY_CHART),
        ("broker", BROKER_SETTINGS, GIVEN_TO_BROKER_BY_CHART),
    ):
        whole["properties"][program]["properties"]["settings"]["properties"] = {
            setting.flag: _property(setting) for setting in settings if setting.flag not in given
        }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _property(setting: Setting) -> dict[str, Any]:
    default = f" (default {setting.default})" if setting.default else ""
    described = {"description": f"{setting.about}{default}"}
    form = _form(setting.parse)
    return {**described, "type": "array", "items": form} if setting.repeatable else {**described, **form}


def _form(parse: Any) -> dict[str, Any]:
    """A value's form: the table's, or as its parser's annotation says it."""
    if parse in _FORMS:
        return _FORMS[parse]
    bounds = parse.keywords if isinstance(parse, partial) else {}
    func = parse.func if isinstance(parse, partial) else parse
    if func is optional:
        inner = _form(bounds["parse"])
        return {**inner, "pattern": f"^$|{inner['pattern']}"}
    returned = get_type_hints(func).get("return")
    if returned is int:
        names = {"least": "minimum", "most": "maximum"}
        return {"type": "integer", **{names[key]: value for key, value in bounds.items() if key in names}}
    if get_origin(returned) is Literal:
        return {"enum": list(get_args(returned))}
    return {"type": "string"}


def readme() -> str:
    """README.md with its table renewed."""
    lines = ["| value | default | what it does |", "|---|---|---|"]
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    for path, about in described_values(text):
        value = defaults
        for key in path:
            value = value[key]
        default = json.dumps(value)
        shown = f"`{default}`" if len(default) <= _LONGEST_DEFAULT else "see values.yaml"
        lines.append(f"| `{'.'.join(path)}` | {shown} | {about.replace('|', chr(92) + '|')} |")
    table = "\n".join(lines) + "\n"
    return _BLOCK.sub(lambda found: f"{found[1]}{table}{found[2]}", (CHART / "README.md").read_text())


def described_values(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path and comment of each key of values.yaml below a comment that begins with `# -- `."""
    parents: list[tuple[int, str]] = []
    about: list[str] = []
    for line in text.splitlines():
        comment = line.strip()
        if comment.startswith(_MARK):
            about = [comment.removeprefix(_MARK)]
        elif about and comment.startswith("#"):
            about.append(comment.removeprefix("#").strip())
        elif found := _KEY.match(line):
            depth = len(found[1])
            parents = [(indent, key) for indent, key in parents if indent < depth] + [(depth, found[2])]
            if about:
                yield tuple(key for _, key in parents), " ".join(about)
            about = []


def main() -> int:
    """Rewrite or check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 if something would change")
    check = parser.parse_args().check
    generated = {CHART / "values.schema.json": schema(), CHART / "README.md": readme()}
    stale = {path: text for path, text in generated.items() if path.read_text() != text}
    for path, text in stale.items():
        if check:
            print(f"{path.relative_to(CHART.parent.parent)} is out of date: run make manifests", file=sys.stderr)
        else:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
