"""What makes the unit tests fast, and keeps pauses of the machine from failing a property test."""

from collections.abc import Iterator

import certifi
import pytest
import trustme
from hypothesis import HealthCheck, settings

# A machine that pauses is no finding.
settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each HTTP client reads the certificates that it trusts: for all public authorities that takes 30 ms.

    No unit test needs one of those. Clients and servers are made by the thousand here.
    """
    file = str(tmp_path_factory.mktemp("trusted") / "authority.pem")
    trustme.CA().cert_pem.write_to_path(file)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SSL_CERT_FILE", file)
        monkeypatch.setattr(certifi, "where", lambda: file)  # for clients that do not look at the environment
        yield
