"""What is left of botocore's data in an image: every call works on it, and every address is the same."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from moto.server import ThreadedMotoServer

from images.aws_data import OPERATIONS, DataError, cut

WHOLE = Path(botocore.__file__).parent / "data"
MEGABYTE = 1_000_000

# Run with the cut botocore: our own readers, so that what they call is what is tested.
READ_EVERYTHING = """
import sys, time
sys.path[:0] = sys.argv[1:]
import botocore, botocore.session
assert botocore.__file__.startswith(sys.argv[1])
from secretenv.references import Item, Parameter, ParameterPath, Secret
from secretenv.stores.assume import Session, assume
from secretenv.stores.aws import Aws
from secretenv.stores.clients import Clients
clients = Clients(region="eu-west-1")
session = assume(clients, role_arn="arn:aws:iam::123456789012:role/r", session_name="ns.app", token="a.b.c",
                 timeout=30, clock=time.monotonic)
assert isinstance(session, Session), session
store = Aws(clients, clock=time.monotonic, credentials=session.credentials)
sources = [Secret("a"), Secret("b"), Secret("a", stage="AWSCURRENT"), Parameter("/a"), Parameter("/b"),
           Parameter("/a", version="1"), ParameterPath("/"), Item("t", "k", "name", "value")]
for outcomes in (store.fetch(sources, timeout=30), store.fetch(sources[:1], timeout=30)):
    assert {type(outcome).__name__ for outcome in outcomes.values()} == {"Fetched"}, outcomes
assert {type(version) for version in store.versions(sources, timeout=30).values()} == {str}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the cut botocore, whose other half is the installed one."""
    folder = tmp_path_factory.mktemp("cut")
    place = folder / "botocore"
    place.mkdir()
    for part in WHOLE.parent.iterdir():
        if part.name != "data":
            (place / part.name).symlink_to(part)
    (place / "data").mkdir()
    for path in [*(WHOLE / name for name in (*OPERATIONS, "s3")), *WHOLE.glob("*.json")]:
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, place / "data" / path.name)
    cut(place / "data")
    return folder


def test_four_services_in_less_than_a_megabyte(tree: Path) -> None:
    """Nothing else is left, no older version of an API either."""
    data = tree / "botocore/data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == set(OPERATIONS)
    assert all(len(list((data / service).iterdir())) == 1 for service in OPERATIONS)
    assert sum(path.stat().st_size for path in data.rglob("*") if path.is_file()) < MEGABYTE


def addresses(session: Any) -> dict[tuple[str, str], str]:
    """Every service's address in every region, of every partition."""
    found = {}
    for partition in session.get_available_partitions():
        for service in OPERATIONS:
            for region in session.get_available_regions(service, partition, allow_non_regional=True):
                data = session._get_internal_component("endpoint_resolver").construct_endpoint(service, region)
                found[service, region] = json.dumps(data, sort_keys=True, default=str)
    return found


def test_addresses_are_the_same(tree: Path) -> None:
    """For every region of every partition, by botocore's own resolver."""
    cut_session = botocore.session.Session()
    cut_session.register_component(
        "data_loader", botocore.loaders.Loader([str(tree / "botocore/data")], include_default_search_paths=False)
    )
    whole = addresses(botocore.session.Session())
    assert len(whole) > 100
    assert addresses(cut_session) == whole


@pytest.mark.slow
def test_every_call(tree: Path) -> None:
    """Our own readers make each of their calls with it, in a process of their own, to moto."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        fill(url)
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, "-c", READ_EVERYTHING, str(tree), str(Path.cwd())]
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
    finally:
        server.stop()


def fill(url: str) -> None:
    """One of everything that READ_EVERYTHING reads."""
    session = botocore.session.Session()
    session.set_credentials("a", "b")

    def client(service: str) -> Any:
        return session.create_client(service, region_name="eu-west-1", endpoint_url=url)

    for name in ("a", "b"):
        client("secretsmanager").create_secret(Name=name, SecretString=name)
        client("ssm").put_parameter(Name=f"/{name}", Value=name, Type="SecureString")
    client("dynamodb").create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("dynamodb").put_item(TableName="t", Item={"name": {"S": "k"}, "value": {"S": "v"}})


def test_an_image_with_another_caller_says_so(tmp_path: Path) -> None:
    """The webhook's Dockerfile names what webhook/entrypoint asks: ECR, at botocore's own address."""
    (command,) = re.findall(r"images\.root /image /opt/token-injector(.*)", Path("Dockerfile.webhook").read_text())
    services = command.split()
    for path in [*(WHOLE / name for name in (*OPERATIONS, *services, "s3")), *WHOLE.glob("*.json")]:
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, tmp_path / path.name)
    cut(tmp_path, services)
    session = botocore.session.Session()
    session.register_component(
        "data_loader", botocore.loaders.Loader([str(tmp_path)], include_default_search_paths=False)
    )
    client = session.create_client("ecr", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")

    assert client.meta.endpoint_url == "https://api.ecr.eu-west-1.amazonaws.com"
    assert callable(client.get_authorization_token)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {*OPERATIONS, "ecr"}


@pytest.mark.parametrize(
    "missing", ["ssm", "endpoints.json", "partitions.json", "sts/2011-06-15/endpoint-rule-set-1.json.gz"]
)
def test_another_layout_is_refused(tree: Path, tmp_path: Path, missing: str) -> None:
    """Where a part is not found nothing at all is removed, and the build fails."""
    data = tmp_path / "data"
    shutil.copytree(tree / "botocore/data", data)
    (shutil.rmtree if (data / missing).is_dir() else Path.unlink)(data / missing)
    before = sorted(data.rglob("*"))
    with pytest.raises(DataError, match=missing.rpartition("/")[2].replace(".", r"\.")):
        cut(data)
    assert sorted(data.rglob("*")) == before


def test_endpoints_of_another_form_are_refused(tree: Path, tmp_path: Path) -> None:
    """A file that names none of our services would leave us without addresses."""
    data = tmp_path / "data"
    shutil.copytree(tree / "botocore/data", data)
    (data / "endpoints.json").write_text('{"version": 4, "divisions": []}')
    with pytest.raises(DataError, match="none of our services"):
        cut(data)


def test_nothing_else_can_be_asked(tree: Path) -> None:
    """A client has the methods that our readers call, and no other one of the service."""
    session = botocore.session.Session()
    loader = botocore.loaders.Loader([str(tree / "botocore/data")], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    for service, operations in OPERATIONS.items():
        client = session.create_client(
            service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        assert set(client.meta.method_to_api_mapping.values()) == set(operations)


def test_an_operation_that_is_gone_is_refused(tree: Path, tmp_path: Path) -> None:
    """A service without one of ours would fail in a pod; the build fails instead, and nothing is removed."""
    data = tmp_path / "data"
    shutil.copytree(tree / "botocore/data", data)
    (model,) = data.glob("sts/*/service-2.json.gz")
    model.write_bytes(gzip.compress(json.dumps({"operations": {"GetCallerIdentity": {}}, "shapes": {}}).encode()))
    before = sorted(data.rglob("*"))
    with pytest.raises(DataError, match="has no AssumeRoleWithWebIdentity"):
        cut(data)
    assert sorted(data.rglob("*")) == before


def test_the_same_again(tree: Path, tmp_path: Path) -> None:
    """Cutting what is cut changes no byte: builds repeat."""
    data = tmp_path / "data"
    shutil.copytree(tree / "botocore/data", data)
    cut(data)
    for path in data.rglob("*.json*"):
        assert path.read_bytes() == (tree / "botocore/data" / path.relative_to(data)).read_bytes()
