"""What docs/differences.md says of piggy: no bug that was found in it is forgotten."""

import pytest

from tests.docs.documents import ROOT

PAGE = (ROOT / "docs/differences.md").read_text().partition("## KongZ/piggy\n")[2]
LEFT = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| ")]

# What piggy does, by the number under which it was found, and words of the page's left column.
BUGS = {
    "P1": ["standalone never succeeds"],
    "P2": ["an empty version stage"],
    "P3": ["starts the application with an empty environment"],
    "P4": ["any token for the API server, sent without verifying the certificate"],
    "P5": ["the proxy's role reads whatever the pod's annotation names", "name and uid from the request decide"],
    "P6": ["registries' certificates are not verified"],
    "P7": ["a registry that does not answer is logged"],
    "P8": ["pull secrets of the pod do not work"],
    "P9": ["the hash of the command is sold as integrity"],
    "P10": ["`$(VAR)` in arguments"],
    "P11": ["fields that its Kubernetes types don't know"],
    "P12": ["refused by an empty answer"],
    "P13": ["or end the request", "never reach unannotated pods"],
    "P14": ["a race that can end the webhook, and a cache that never hits"],
    "P15": ["a boolean that cannot be read is false", "a quantity of `piggy-env-resource-*`"],
    "P16": ["one TokenReview, AssumeRole and GetSecretValue for each pod start"],
    "P17": ["all keys of the secret"],
    "P18": ["writable, with a program of mode 0777"],
    "P19": ["cert-manager mode does nothing", "its CA is made anew"],
    "P20": ["an init container without a profile"],
    "P21": ["all Secrets of the cluster may be read and changed"],
    "P22": [
        "a request has no timeout",
        "a wrong number of retries",
        "`PIGGY_UID` reaches the application",
        '"Piggy: a story"',
        "empty in standalone mode",
        "text after the first line is dropped",
        "in every application's log",
    ],
    "P23": ["the image for linux/amd64", "proxies (`HTTPS_PROXY`)", "without `sizeLimit`, with a program of 7 MB"],
    "P24": [
        "AWS's error texts",
        "`PIGGY_ALLOWED_SA`: blanks count",
        "parameters of the same last element",
        "has to automount its token",
    ],
}


@pytest.mark.parametrize("number", BUGS)
def test_each_bug_has_its_row(number: str) -> None:
    """In the column of what piggy does."""
    for words in BUGS[number]:
        assert sum(words in left for left in LEFT) == 1, words


def test_each_row_says_what_is_done_here() -> None:
    """Three columns, none of them empty."""
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ")]

    assert [row for row in rows if len(row) != 3 or not all(cell.strip() for cell in row)] == []
