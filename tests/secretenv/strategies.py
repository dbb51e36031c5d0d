"""References and plans as Hypothesis makes them: everything that `parse` can give."""

from hypothesis import strategies as st

from secretenv.piggy import PiggySource
from secretenv.plan import Broker, ContainerPlan, FilePlan, Joined, Plan, Started, Variable
from secretenv.references import (
    Item,
    Key,
    Parameter,
    ParameterPath,
    Pointer,
    Reference,
    Secret,
    Source,
    Syntax,
)

NAMES = st.text(min_size=1) | st.sampled_from(
    ["prod/db", "a#b?c|d}e%f g", "arn:aws:x", "é", "/", "//", "a\n", "\0", "&="]
)
ARN = "arn:aws:{}:eu-west-1:123456789012:{}"
FILTERS = st.lists(st.sampled_from(["urlencode", "base64decode", "trim"]), max_size=3).map(tuple)
STAGES = NAMES.filter(lambda stage: stage != "AWSCURRENT")
SECRETS = st.builds(
    lambda name, kind, value: Secret(name, **{kind: value} if kind else {}),
    NAMES | NAMES.map(lambda name: ARN.format("secretsmanager", f"secret:{name}")),
    st.sampled_from(["", "stage", "version"]),
    STAGES,
)
PLAIN_NAMES = NAMES.filter(lambda name: ":" not in name and "/" not in name)
PARAMETERS = st.builds(
    Parameter,
    PLAIN_NAMES
    | st.lists(PLAIN_NAMES, min_size=1).map(lambda names: "/" + "/".join(names))
    # A parameter's ARN holds its name without the leading slash.
    | PLAIN_NAMES.map(lambda name: ARN.format("ssm", f"parameter/{name}")),
    st.none() | NAMES,
)
PATHS = NAMES.map(lambda name: ParameterPath(f"/{name}".rstrip("/") or "/")) | PLAIN_NAMES.map(
    lambda name: ParameterPath(ARN.format("ssm", "parameter/" + name.replace("\n", "x")))
)
TABLES = st.text(min_size=1) | PLAIN_NAMES.map(lambda name: ARN.format("dynamodb", f"table/{name}"))
ITEMS = st.builds(Item, TABLES, NAMES, NAMES, NAMES)
POINTERS = st.lists(st.text(), min_size=1).map(
    lambda keys: Pointer("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys))
)
KEYS = NAMES.map(Key)
SOURCES: st.SearchStrategy[Source] = SECRETS | PARAMETERS | PATHS | ITEMS
REFERENCES = (
    st.builds(Reference, SECRETS | PARAMETERS, st.none() | KEYS | POINTERS, FILTERS)
    | st.builds(Reference, PATHS, st.none() | KEYS, FILTERS)
    | st.builds(Reference, ITEMS, st.none() | POINTERS, FILTERS)
)

PIGGY_SOURCES = st.builds(PiggySource, secret_name=NAMES, stage=st.none() | STAGES) | st.builds(
    PiggySource, parameter_path=st.sampled_from(["/", "/prod", "/prod/db"])
)
SYNTAXES = st.builds(Syntax, ours=st.booleans(), arns=st.booleans(), piggy=st.none() | PIGGY_SOURCES)

_TEXTS = st.lists(st.text(), max_size=2).map(tuple)
_CONTAINERS = st.builds(
    ContainerPlan,
    name=st.text(),
    delivery=st.sampled_from(["envfile", "env", "socket"]),
    directory=st.text(),
    variables=st.lists(st.builds(Variable, name=st.text(), text=st.text())).map(tuple),
    copied=st.text(),
    own_environment=st.booleans(),
    joined=st.lists(st.builds(Joined, name=st.text(), of=_TEXTS)).map(tuple),
    started=st.none() | st.builds(Started, image=st.text(), entrypoint=_TEXTS, cmd=_TEXTS, has_args=st.booleans()),
)
PLANS = st.builds(
    Plan,
    syntax=SYNTAXES,
    containers=st.lists(_CONTAINERS, max_size=3).map(tuple),
    files=st.lists(st.builds(FilePlan, name=st.text(), text=st.text()), max_size=3).map(tuple),
    files_directory=st.text(),
    broker=st.none() | st.builds(Broker, address=st.text(), ca=st.text(), token_file=st.text()),
    keeps_unresolved=st.booleans(),
    rotation=st.sampled_from(["none", "file", "signal", "restart"]),
    rotation_interval=st.integers(),
    initial_delay=st.floats(allow_nan=False, allow_infinity=False),
    attempts=st.integers(),
)
