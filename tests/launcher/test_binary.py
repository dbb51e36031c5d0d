"""What the built programs are: tiny, static, alone. A small ELF reader, because binutils may be absent."""

import struct
from pathlib import Path

import pytest

from tests.launcher.building import MACHINES, ROOT, SOURCES

pytestmark = pytest.mark.slow

# https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html and ch5.pheader.html
ELF_MACHINE = {"x86_64": 62, "aarch64": 183}
PT_DYNAMIC, PT_INTERP, PT_GNU_STACK = 2, 3, 0x6474E551
EXECUTABLE, WRITABLE = 1, 2


def segments(image: bytes) -> list[tuple[int, int]]:
    """Type and flags of each segment."""
    (offset,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    found = [struct.unpack_from("<II", image, offset + size * number) for number in range(count)]
    return [(kind, flags) for kind, flags in found]


@pytest.mark.parametrize("machine", MACHINES)
def test_binary(binaries: dict[str, Path], machine: str) -> None:
    """At most 48 KB, of its architecture, static, and without memory that is writable and executable."""
    image = binaries[machine].read_bytes()
    assert len(image) <= 48 * 1024
    assert image[:5] == b"\x7fELF\x02"
    assert struct.unpack_from("<H", image, 18) == (ELF_MACHINE[machine],)
    kinds = dict(segments(image))
    assert PT_INTERP not in kinds
    assert PT_DYNAMIC not in kinds
    assert not kinds[PT_GNU_STACK] & EXECUTABLE
    assert all(flags & (EXECUTABLE | WRITABLE) != EXECUTABLE | WRITABLE for _, flags in segments(image))


@pytest.mark.parametrize("machine", MACHINES)
def test_no_paths_of_the_build(binaries: dict[str, Path], machine: str) -> None:
    """The program tells nothing of the machine that built it."""
    image = binaries[machine].read_bytes()
    for trace in (str(ROOT), str(SOURCES), str(Path.home()), "ziglang", ".symtab", ".debug"):
        assert trace.encode() not in image
