"""Every client of ours at the API's door keeps its key and remembers nothing."""

import pytest

from tests.support.api_clients import CLIENTS, Client
from tests.support.project_server import serving


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", CLIENTS)
async def test_no_key_and_no_text_follows_a_redirect(ask: Client, status: int) -> None:
    with serving() as project, serving() as elsewhere:
        project.status, project.headers = status, {"location": f"{elsewhere.url}/rest/v1/rpc/ops_queue"}
        await ask(project.url)
        assert len(project.asked) == 2
        assert elsewhere.asked == []


@pytest.mark.parametrize("ask", CLIENTS)
async def test_what_a_gateway_wants_to_be_remembered_by_is_forgotten(ask: Client) -> None:
    """Nor does one user of the page carry another's cookie."""
    with serving() as project:
        project.headers = {"set-cookie": "__cf_bm=abc; path=/"}
        await ask(project.url)
        assert len(project.asked) == 2
        assert all("cookie" not in asked for asked in project.asked)
