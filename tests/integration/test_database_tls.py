"""TLS with PostgreSQL: the files that `.env` names, and the report of a certificate that does not fit."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trio
from cryptography.hazmat.primitives import serialization

from tests.hostile.certificates import Certificates, issue
from tests.integration.sites import serving
from watcher.config.env.settings import load_settings
from watcher.postgres.db import open_database
from watcher.postgres.errors import DatabaseUnavailableError
from watcher.postgres.url import external_url

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def met(context: ssl.SSLContext, folder: Path, **files: str) -> tuple[bytes, str]:
    """Connect to a server that speaks PostgreSQL's protocol up to the first message over TLS, and disconnects.

    Returns:
        that message, which names the user, and the daemon's messages.
    """
    heard = b""

    async def behave(stream: trio.abc.Stream) -> None:
        nonlocal heard
        await stream.receive_some()
        await stream.send_all(b"S")  # see the protocol's SSLRequest
        encrypted = trio.SSLStream(stream, context, server_side=True)
        heard += await encrypted.receive_some()

    async with serving(behave) as port:
        variables = {f"POSTGRES_{key.upper()}": value for key, value in files.items()}
        host = {"CONFIG_FILE_PATH": "c.yaml", "POSTGRES_HOST": "localhost", "POSTGRES_PORT": str(port)}
        settings = load_settings(folder / ".env", {**host, "POSTGRES_SSLMODE": "verify-full", **variables})
        async with open_database(external_url(settings)) as database:
            with pytest.raises(DatabaseUnavailableError) as caught:
                await database.ping()
    return heard, str(caught.value)


async def test_the_files_of_the_settings_are_used(bridge: None, certificates: Certificates, tmp_path: Path) -> None:
    client, cert_file, key_file = issue(certificates.root, "client"), tmp_path / "c.pem", tmp_path / "c.key"
    cert_file.write_bytes(client.certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        client.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    wanting = certificates.good_context()
    wanting.verify_mode = ssl.CERT_REQUIRED
    wanting.load_verify_locations(certificates.ca_file)
    files = {"sslrootcert": certificates.ca_file, "sslcert": str(cert_file), "sslkey": str(key_file)}
    heard, _ = await met(wanting, tmp_path, **files)
    assert b"user\0postgres\0" in heard


async def test_a_wrong_certificate_is_reported_as_one(bridge: None, certificates: Certificates, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    heard, said = await met(certificates.good_context(), tmp_path, sslrootcert=Certificates(other).ca_file)
    refused = "the database's certificate is refused"
    hint = "POSTGRES_SSLROOTCERT names the authorities that may sign it"
    assert (heard, said) == (b"", f"{refused}: unable to get local issuer certificate; {hint}")
    elsewhere = certificates.context(issue(certificates.root, "elsewhere", ["db.example"]))
    heard, said = await met(elsewhere, tmp_path, sslrootcert=certificates.ca_file)
    assert (heard, said.partition(": ")[0]) == (b"", refused)
    assert "localhost" in said
