"""Which certificate is served."""

import logging
from pathlib import Path

import pytest

from serving.tls import ServingCertificate, TlsError
from tests.serving.pki import Pki, SecretVolume


@pytest.fixture
def volume(tmp_path: Path, pki: Pki) -> SecretVolume:
    """A mounted Secret with a good pair."""
    volume = SecretVolume(tmp_path)
    volume.write(*pki.issue()[:2])
    return volume


@pytest.fixture
def certificate(volume: SecretVolume) -> ServingCertificate:
    """That pair, served."""
    return ServingCertificate(str(volume.cert_file), str(volume.key_file))


def test_context_is_cached(certificate: ServingCertificate) -> None:
    """Unchanged files give the same context: a new one costs 2 ms for each connection."""
    assert certificate.context() is certificate.context()


def test_changed_pair_is_served(certificate: ServingCertificate, volume: SecretVolume, pki: Pki) -> None:
    """A swap of `..data` gives a new context."""
    before = certificate.context()
    volume.write(*pki.issue()[:2])
    assert certificate.context() is not before


@pytest.mark.parametrize("broken", ["garbage", "mismatch", "missing", "half"])
def test_broken_pair_keeps_the_last_good_one(
    certificate: ServingCertificate, volume: SecretVolume, pki: Pki, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with a new pair, the old one is served on; said once, counted once, and mended by the next."""
    before, not_after, failures = certificate.context(), certificate.not_after, []
    certificate.on_reload_failure = lambda: failures.append(broken)
    cert, key, _ = pki.issue()
    bad = {
        "garbage": (b"garbage", key),
        "mismatch": (cert, pki.issue()[1]),
        "missing": (b"", b""),
        "half": (cert[: len(cert) // 2], key),
    }
    with caplog.at_level(logging.ERROR):
        volume.write(*bad[broken])
        assert [certificate.context() for _ in range(3)] == [before] * 3

    assert (certificate.not_after, failures, len(caplog.records)) == (not_after, [broken], 1)
    assert str(volume.cert_file) in caplog.text
    assert "PRIVATE" not in caplog.text
    volume.write(cert, key)
    assert certificate.context() is not before


def test_removed_files_keep_the_last_good_pair(certificate: ServingCertificate, volume: SecretVolume) -> None:
    """A Secret taken away changes nothing for who already serves."""
    before = certificate.context()
    volume.cert_file.unlink()
    assert certificate.context() is before


def test_start_needs_a_good_pair(tmp_path: Path) -> None:
    """Without a certificate there is no start; the error names files, form and fix."""
    with pytest.raises(TlsError) as failed:
        ServingCertificate(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    for part in ("tls.crt", "tls.key", "No such file", "PEM", "certify"):
        assert part in str(failed.value)


def test_encrypted_key_asks_nobody(tmp_path: Path, pki: Pki) -> None:
    """An encrypted key is an error, not a question on a terminal."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - this test's only

    cert, key, _ = pki.issue()
    loaded = serialization.load_pem_private_key(key, None)
    locked = serialization.BestAvailableEncryption(b"pass")
    encrypted = loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    (tmp_path / "tls.crt").write_bytes(cert)
    (tmp_path / "tls.key").write_bytes(encrypted)

    with pytest.raises(TlsError, match="encrypted"):
        ServingCertificate(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
