"""Writes deploy/token-injector.yaml: the chart's default values as plain manifests. `make manifests` runs it.

The comments of the templates stay. What only Helm needs goes: its labels, the hook pods, a Job's name by revision.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PATH = Path(__file__).resolve().parent / "token-injector.yaml"
NAME = "token-injector"
# What the manifests may use: nothing that only newer API servers know is rendered below the chart's kubeVersion.
KUBERNETES = "1.36"

_HEADER = """\
# token-injector with the chart's default values, for kubectl and kustomize. Written by `make manifests` from
# charts/token-injector, where every value is explained.
#
# Images are not published: put your own in by an overlay (docs/operations.md, "Without Helm").
#   kubectl apply -k overlay
#   kubectl -n token-injector rollout status deployment/token-injector-webhook
#
# Upgrade: a Job cannot be changed, so remove the finished one first:
#   kubectl -n token-injector delete job token-injector-certs --ignore-not-found
# Remove everything: kubectl delete -f deploy/token-injector.yaml
# The webhook configuration is the first object: it goes first, and no pod is sent to a server that is gone.
"""
_NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: token-injector
  labels:
    app.kubernetes.io/name: token-injector
    app.kubernetes.io/instance: token-injector
    pod-security.kubernetes.io/enforce: restricted
"""
_JOB_COMMENT = """\
# Makes the certificate; the CronJob below renews it. To run it again at once:
#   kubectl -n token-injector create job --from=cronjob/token-injector-certs token-injector-certs-again
"""
_HELM_ONLY = re.compile(r"^ *(helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: Helm|# Source: .*)\n", re.MULTILINE)


def render(helm: str) -> str:
    """The manifests. Raises `CalledProcessError` if the chart cannot be rendered."""
    chart = str(ROOT / "charts" / NAME)
    command = [helm, "template", NAME, chart, "--namespace", NAME, "--kube-version", KUBERNETES, "--skip-tests"]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    documents = [_HELM_ONLY.sub("", text) for text in re.split(r"^---\n", rendered, flags=re.MULTILINE) if text.strip()]
    by_kind = [(str(yaml.safe_load(text)["kind"]), text) for text in documents]
    first = [text for kind, text in by_kind if kind == "MutatingWebhookConfiguration"]
    rest = [_fixed_job(text) if kind == "Job" else text for kind, text in by_kind if text not in first]
    return _HEADER + "".join(f"---\n{text}" for text in (*first, _NAMESPACE, *rest))


def _fixed_job(text: str) -> str:
    without_comment = text[text.index("apiVersion:") :]
    return _JOB_COMMENT + without_comment.replace(f"name: {NAME}-certs-1\n", f"name: {NAME}-certs\n", 1)


def main() -> int:
    """Write the file; the exit code."""
    helm = shutil.which("helm")
    if helm is None:
        print("deploy/token-injector.yaml is rendered by helm, which is not on PATH", file=sys.stderr)
        return 1
    PATH.write_text(render(helm))
    return 0


if __name__ == "__main__":
    sys.exit(main())
