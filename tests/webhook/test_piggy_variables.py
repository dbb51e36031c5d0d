"""Which version do the pod's containers name, for piggy's program?"""

from typing import Any

import pytest

from contract.annotations import PIGGY_NUMBER_OF_RETRY, PIGGY_SECRET_VERSION
from secretenv.piggy import PiggyConfig, PiggyError, PiggySource
from webhook.secrets.piggy_variables import VERSION, unread_variables, with_version

PREVIOUS = PiggySource(secret_name="db", stage="AWSPREVIOUS")
CURRENT = PiggySource(secret_name="db")
VERSION_ID = "0a1b2c3d-0000-1111-2222-333344445555"


def pod(*labels: str | None, text: str = "piggy:a") -> Any:
    """A container for each label, with a reference; None: it names no version."""
    return {
        "spec": {
            "containers": [
                {
                    "name": f"c{index}",
                    "env": [{"name": "A", "value": text}] + [{"name": VERSION, "value": label}] * (label is not None),
                }
                for index, label in enumerate(labels)
            ]
        }
    }


def source(given: PiggySource, one: Any, **more: Any) -> PiggySource | None:
    """What the pod reads in standalone mode."""
    skipped = frozenset(more.pop("skipped", ()))
    return with_version(PiggyConfig(**{"source": given, "standalone": True, **more}), one, skipped).source


@pytest.mark.parametrize(
    ("given", "labels", "found"),
    [
        (CURRENT, (None,), CURRENT),
        (PREVIOUS, (None, None), PREVIOUS),
        (PREVIOUS, ("",), PREVIOUS),
        (CURRENT, ("AWSPREVIOUS", "AWSPREVIOUS"), PREVIOUS),
        (PREVIOUS, ("AWSCURRENT",), CURRENT),
        (CURRENT, ("AWSCURRENT", None), CURRENT),
        (CURRENT, (VERSION_ID,), PiggySource(secret_name="db", version=VERSION_ID)),
    ],
)
def test_the_variable_wins_over_the_annotation(
    given: PiggySource, labels: tuple[str | None, ...], found: PiggySource
) -> None:
    """Where it is not empty; no label is the current one."""
    assert source(given, pod(*labels)) == found


@pytest.mark.parametrize(
    "labels", [("AWSPREVIOUS", None), ("AWSPREVIOUS", "AWSPENDING"), ("$(LABEL)",)], ids=["one", "two", "unknown"]
)
def test_no_single_version(labels: tuple[str | None, ...]) -> None:
    """Denied, with the annotation to write."""
    with pytest.raises(PiggyError, match=f"write the annotation {PIGGY_SECRET_VERSION}"):
        source(CURRENT, pod(*labels))


def test_who_is_not_concerned() -> None:
    """Containers without reference and variable, skipped ones, piggy's proxy, and parameters."""
    beside = pod("AWSPREVIOUS", None)
    beside["spec"]["containers"][1]["env"][0]["value"] = "plain"
    path = PiggySource(parameter_path="/prod")

    assert source(CURRENT, beside) == PREVIOUS
    assert source(CURRENT, pod("AWSPREVIOUS", None), skipped={"c1"}) == PREVIOUS
    assert source(CURRENT, pod("AWSPREVIOUS", None), standalone=False, address="https://piggy") == CURRENT
    assert source(path, pod("AWSPREVIOUS", None)) == path


def test_each_variable_is_told_once() -> None:
    """With the annotation that holds; a version only where piggy's program would not look at it either."""
    one = pod("AWSPREVIOUS", "AWSPREVIOUS")
    for container in one["spec"]["containers"]:
        container["env"].append({"name": "PIGGY_NUMBER_OF_RETRY", "value": "3"})

    standalone = list(unread_variables(PiggyConfig(source=CURRENT, standalone=True), one, frozenset()))
    proxy = list(unread_variables(PiggyConfig(source=CURRENT, address="https://piggy"), one, frozenset()))

    told = "container c0: variable PIGGY_NUMBER_OF_RETRY does nothing here: what holds is the annotation "
    assert standalone == [f"{told}{PIGGY_NUMBER_OF_RETRY}"]
    assert [VERSION in warning for warning in proxy] == [True, False]
