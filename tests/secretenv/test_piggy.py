"""piggy's annotations and variables, read as piggy reads them."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract import annotations as keys
from secretenv.go_values import duration, integer, quantity
from secretenv.piggy import PIGGY_ANNOTATIONS, PiggyConfig, PiggyError, PiggyResources, PiggySource, read

NAME = "piggysec.com/aws-secret-name"


def config(annotations: dict[str, str], environ: dict[str, str] | None = None) -> PiggyConfig:
    """What a pod of shop/orders gets; keys without piggy's prefix."""
    written = {f"piggysec.com/{key}": value for key, value in annotations.items()}
    return read(written, environ or {}, namespace="shop", service_account="orders")


def test_the_table_is_complete() -> None:
    """Each constant has a row, and each variable is the annotation in upper case, without a prefix."""
    constants = {value for name, value in vars(keys).items() if name.startswith("PIGGY_") and name != "PIGGY_PREFIX"}

    assert {row.key for row in PIGGY_ANNOTATIONS} == constants
    assert len(PIGGY_ANNOTATIONS) == len(constants) == 27
    environs = {row.key.removeprefix("piggysec.com/"): row.environ for row in PIGGY_ANNOTATIONS}
    assert environs["debug"] == "DEBUG"
    assert environs["aws-ssm-parameter-path"] == "AWS_SSM_PARAMETER_PATH"
    assert environs["piggy-default-secret-name-prefix"] == "PIGGY_DEFAULT_SECRET_NAME_PREFIX"
    assert (environs["piggy-skip-verify-tls"], environs["piggy-uid"]) == (None, None)


@pytest.mark.parametrize(
    ("annotations", "environ", "source"),
    [
        ({}, {}, None),
        ({"aws-secret-name": ""}, {}, None),
        ({"standalone": "true"}, {}, None),
        ({"debug": "no boolean", "aws-region": "eu-west-1"}, {}, None),
        ({"aws-secret-name": "db"}, {}, PiggySource(secret_name="db")),
        ({}, {"AWS_SECRET_NAME": "db"}, PiggySource(secret_name="db")),
        ({"aws-secret-name": "db"}, {"AWS_SECRET_NAME": "other"}, PiggySource(secret_name="db")),
        ({"aws-secret-name": ""}, {"AWS_SECRET_NAME": "other"}, None),
        ({"aws-secret-name": "db", "aws-ssm-parameter-path": "/prod/"}, {}, PiggySource(parameter_path="/prod")),
        ({"aws-secret-name": "db"}, {"AWS_SSM_PARAMETER_PATH": "/"}, PiggySource(parameter_path="/")),
        ({"piggy-address": "https://piggy"}, {}, PiggySource(secret_name="shop/orders")),
        ({}, {"PIGGY_ADDRESS": "https://piggy"}, PiggySource(secret_name="shop/orders")),
        ({"piggy-address": "https://piggy", "aws-secret-name": "db"}, {}, PiggySource(secret_name="db")),
        (
            {"piggy-address": "x", "piggy-default-secret-name-prefix": "eu/"},
            {"PIGGY_DEFAULT_SECRET_NAME_SUFFIX": "/v1"},
            PiggySource(secret_name="eu/shop/orders/v1"),
        ),
        ({"standalone": "1"}, {"PIGGY_DEFAULT_SECRET_NAME_PREFIX": "p-"}, PiggySource(secret_name="p-shop/orders")),
        ({"standalone": "0"}, {"PIGGY_DEFAULT_SECRET_NAME_PREFIX": "p-"}, None),
        ({"aws-secret-name": "db", "aws-secret-version": "AWSCURRENT"}, {}, PiggySource(secret_name="db")),
        ({"aws-secret-name": "db", "aws-secret-version": ""}, {}, PiggySource(secret_name="db")),
        (
            {"aws-secret-name": "db"},
            {"AWS_SECRET_VERSION": "AWSPREVIOUS"},
            PiggySource(secret_name="db", stage="AWSPREVIOUS"),
        ),
        (
            {"aws-secret-name": "db", "aws-secret-version": "0A1b2c3d-0000-1111-2222-333344445555"},
            {},
            PiggySource(secret_name="db", version="0A1b2c3d-0000-1111-2222-333344445555"),
        ),
    ],
)
def test_sources(annotations: dict[str, str], environ: dict[str, str], source: PiggySource | None) -> None:
    """An annotation wins even when empty, a variable when not; path before secret before the default name."""
    assert config(annotations, environ).source == source


def test_defaults() -> None:
    """What holds where only the secret is named."""
    assert config({"aws-secret-name": "db"}) == PiggyConfig(source=PiggySource(secret_name="db"))


EVERY: dict[str, tuple[str, str, Any]] = {
    "standalone": ("True", "standalone", True),
    "piggy-address": ("https://piggy", "address", "https://piggy"),
    "aws-region": ("eu-west-1", "region", "eu-west-1"),
    "piggy-ignore-no-env": ("t", "ignore_unresolved", True),
    "piggy-initial-delay": ("1m30.5s", "initial_delay", 90.5),
    "piggy-number-of-retry": ("+7", "attempts", 7),
    "piggy-env-resource-cpu-request": ("50m", "resources", PiggyResources(cpu_request="50m")),
    "piggy-env-resource-memory-request": ("1e3", "resources", PiggyResources(memory_request="1e3")),
    "piggy-env-resource-cpu-limit": ("1.5", "resources", PiggyResources(cpu_limit="1.5")),
    "piggy-env-resource-memory-limit": ("64Mi", "resources", PiggyResources(memory_limit="64Mi")),
    "image-pull-secret": ("pull", "image_pull_secret", "pull"),
    "image-pull-secret-namespace": ("ops", "image_pull_secret_namespace", "ops"),
    "piggy-enforce-integrity": ("F", "enforce_integrity", False),
    "debug": ("TRUE", "debug", True),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_setting(name: str) -> None:
    """By annotation and by variable."""
    text, field, value = EVERY[name]
    variable = name.upper().replace("-", "_")

    by_annotation = config({"aws-secret-name": "db", name: text})
    by_variable = config({"aws-secret-name": "db"}, {variable: text})

    assert getattr(by_annotation, field) == value
    assert by_annotation == by_variable
    assert by_annotation.warnings == ()


@pytest.mark.parametrize("variable", ["1", "yes", ""])
def test_the_service_account_is_enforced_by_the_broker_only(variable: str) -> None:
    """A pod cannot lift what the operator asks of the broker; its annotation is told, the variable is not looked at."""
    enforced = config(
        {"aws-secret-name": "db", "piggy-enforce-service-account": "0"}, {"PIGGY_ENFORCE_SERVICE_ACCOUNT": variable}
    )

    [warning] = enforced.warnings
    assert warning.startswith(
        "annotation piggysec.com/piggy-enforce-service-account does nothing: the broker's variable"
    )


@pytest.mark.parametrize(
    ("annotations", "environ", "message"),
    [
        ({"standalone": "yes"}, {}, "annotation piggysec.com/standalone: 'yes' is not valid: expected true or false"),
        ({"piggy-enforce-integrity": "on"}, {}, "annotation piggysec.com/piggy-enforce-integrity: 'on' is not valid"),
        ({"piggy-ignore-no-env": ""}, {}, "annotation piggysec.com/piggy-ignore-no-env: '' is not valid"),
        ({"debug": "tRUE"}, {"DEBUG": "true"}, "annotation piggysec.com/debug: 'tRUE' is not valid"),
        ({}, {"DEBUG": "2"}, "the webhook's variable DEBUG: '2' is not valid: expected true or false"),
        ({"aws-ssm-parameter-path": "prod"}, {}, "aws-ssm-parameter-path: 'prod' is not valid: expected a path"),
        ({"aws-secret-name": "\ud800"}, {}, "aws-secret-name: '\\ud800' is not valid: expected Unicode text"),
        (
            {"piggy-env-resource-cpu-limit": "fast"},
            {},
            "cpu-limit: 'fast' is not valid: expected a Kubernetes quantity",
        ),
        ({"debug": "x" * 200_000}, {}, f"annotation piggysec.com/debug: '{'x' * 59}…' is not valid"),
    ],
)
def test_denied(annotations: dict[str, str], environ: dict[str, str], message: str) -> None:
    """A wrong boolean is no `false`: it would turn protections off. Key or variable, value and form are named."""
    with pytest.raises(PiggyError, match=re.escape(message)):
        config({"aws-secret-name": "db"} | annotations, environ)


@pytest.mark.parametrize(
    ("annotations", "environ", "warning"),
    [
        (
            {"piggy-number-of-retry": "five"},
            {"PIGGY_NUMBER_OF_RETRY": "5"},
            "annotation piggysec.com/piggy-number-of-retry: 'five' is not valid and ignored, as piggy does: expected ",
        ),
        (
            {},
            {"PIGGY_INITIAL_DELAY": "10"},
            "the webhook's variable PIGGY_INITIAL_DELAY: '10' is not valid and ignored, as piggy does: expected ",
        ),
    ],
)
def test_ignored_with_a_warning(annotations: dict[str, str], environ: dict[str, str], warning: str) -> None:
    """An unreadable number or duration is piggy's default; the variable isn't asked where an annotation stands."""
    read_config = config({"aws-secret-name": "db"} | annotations, environ)

    assert (read_config.attempts, read_config.initial_delay) == (0, 0.0)
    assert [text[: len(warning)] for text in read_config.warnings] == [warning]


def test_nothing_below_zero() -> None:
    """As with piggy a negative delay is none and a negative number of retries is not handed on."""
    read_config = config({"aws-secret-name": "db", "piggy-number-of-retry": "-3", "piggy-initial-delay": "-3s"})

    assert (read_config.attempts, read_config.initial_delay, read_config.warnings) == (0, 0.0, ())


def test_annotations_that_do_nothing_are_told() -> None:
    """Each with the reason; unknown ones by name, up to a number; piggy's own one silently."""
    written = {row.key.removeprefix("piggysec.com/"): "x" for row in PIGGY_ANNOTATIONS if not row.read}
    unknown = {f"aws-secretname-{number}": "x" for number in range(7)}

    warnings = config({"aws-secret-name": "db"} | written | unknown).warnings

    assert len(warnings) == len(written) - 1 + 6
    assert (
        "annotation piggysec.com/piggy-env-image does nothing: the operator says with --image what is injected."
        in warnings
    )
    assert (
        "annotation 'piggysec.com/aws-secretname-4' is none of piggy's: did you mean piggysec.com/aws-secret-name?"
        in warnings
    )
    assert warnings[-1] == "2 more annotations piggysec.com/* that are none of piggy's"
    assert all(len(warning) < 200 for warning in warnings)
    (unlike,) = config({"aws-secret-name": "db", "x" * 300: ""}).warnings
    assert unlike.endswith("is none of piggy's")


def test_a_slip_in_the_key_of_the_source_is_told() -> None:
    """It may be why there is no source; a pod that runs has been told."""
    written = {"piggysec.com/aws-secret-nam": "db"}
    admitted = read(written, {}, namespace="shop", service_account="orders", runs=True)

    found = read(written, {}, namespace="shop", service_account="orders")

    assert (found.source, len(found.warnings)) == (None, 1)
    assert found.warnings[0].endswith("did you mean piggysec.com/aws-secret-name?")
    assert admitted == PiggyConfig()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("-0", 0.0),
        ("10s", 10.0),
        ("+1.5h", 5400.0),
        ("1h2m3s4ms5us6ns", 3723.004005006),
        ("7µs", 7e-6),
        ("7μs", 7e-6),
        (".5s", 0.5),
        ("5.s", 5.0),
        ("1s1s", 2.0),
        ("-2m", -120.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """As Go's time.ParseDuration."""
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "10", "s", ".s", "1 s", "1d", "1S", "+-1s", "1e3s", "300000000000s", "0x1s", "٣s"]
)
def test_no_durations(text: str) -> None:
    """What Go refuses."""
    with pytest.raises(ValueError, match="expected a duration"):
        duration(text)


@pytest.mark.parametrize("text", ["", " 1", "1_0", "1.0", "0x1", "9223372036854775808", "9" * 5000, "٣"])
def test_no_integers(text: str) -> None:
    """What strconv.Atoi refuses."""
    with pytest.raises(ValueError, match="expected a whole number"):
        integer(text)


@given(text=st.text())
@example("1" * 256_000)
@example("1." * 100_000)
def test_any_text(text: str) -> None:
    """Any text gives a value or a `ValueError`, soon."""
    for parse in (duration, integer, quantity):
        try:
            parse(text)
        except ValueError as exc:
            assert str(exc).startswith("expected ")  # noqa: PT017 - a value is right too
