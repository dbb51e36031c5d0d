"""What an image leaves out; that nothing kept needs it is looked at in a built one (test_running.py)."""

from pathlib import PurePosixPath

import pytest

from images.unused import unused_application, unused_standard


@pytest.mark.parametrize(
    ("path", "unused"),
    [
        ("os.py", False),
        ("json", False),
        ("json/decoder.py", False),
        ("xml/etree", False),
        ("xml/dom", True),
        ("test", True),
        ("ensurepip", True),
        ("json/__pycache__", True),
        ("lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so", False),
        ("lib-dynload/_testcapi.cpython-313-x86_64-linux-gnu.so", True),
        ("lib-dynload/_sqlite3.cpython-313-x86_64-linux-gnu.so", True),
        ("encodings/idna.py", False),
        ("encodings/big5hkscs.py", True),
    ],
)
def test_standard_library(path: str, *, unused: bool) -> None:
    """What our programs run is kept; what is for terminals, databases, tests and installers is not."""
    assert unused_standard(PurePosixPath(path)) is unused


@pytest.mark.parametrize(
    ("path", "unused"),
    [
        ("injector", False),
        ("injector/cli.py", False),
        ("cryptography-50.0.2.dist-info", False),
        ("cryptography-50.0.2.dist-info/METADATA", False),
        ("cffi", True),
        ("cffi-2.1.1.dist-info", True),
        ("_cffi_backend.cpython-313-x86_64-linux-gnu.so", False),
        ("bin/normalizer", True),
        ("bin/token-injector-certs", False),
        ("bin/python3", False),
        ("lib/python3.13/site-packages/aiohttp", True),
        ("lib/python3.13/site-packages/kubernetes/aio", True),
        ("lib/python3.13/site-packages/kubernetes/client", False),
        ("lib/python3.13/site-packages/kubernetes/config/kube_config_test.py", True),
        ("lib/python3.13/site-packages/werkzeug/test.py", False),
        ("lib/python3.13/site-packages/yaml/__init__.pyi", True),
    ],
)
def test_application(path: str, *, unused: bool) -> None:
    """Libraries keep what can be run and what says who they are; of commands only ours are kept."""
    assert unused_application(PurePosixPath(path)) is unused
