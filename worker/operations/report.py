"""Reads the operator's figures from the database. Synchronous: it is called in threads of the web server."""

import threading
from typing import Any

import httpx
import supabase

from worker.config import WorkerSettings
from worker.database import api_errors
from worker.errors import DatabaseAway
from worker.network import api_http

CALL_SECONDS = 5.0
WAIT_SECONDS = 1.0


class OpsReport:
    """`read` may be called in any thread. Only one reads at a time, so that not all threads of the port wait."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._client = supabase.create_client(
            settings.supabase_url,
            settings.supabase_secret_key.get_secret_value(),
            supabase.ClientOptions(
                httpx_client=httpx.Client(**api_http.options(CALL_SECONDS)),
                postgrest_client_retry=False,
                auto_refresh_token=False,
            ),
        )
        self._reading = threading.Lock()

    def read(self) -> dict[str, Any]:
        """The JSON object of ops_report, whose comment describes it. Raises DatabaseAway or DatabaseRefused."""
        if not self._reading.acquire(timeout=WAIT_SECONDS):
            raise DatabaseAway("ops_report: another reader still waits")
        try:
            answer = self._client.rpc("ops_report").execute().data
        except Exception as error:
            raise api_errors.of_library("ops_report", error) from None
        finally:
            self._reading.release()
        if not isinstance(answer, dict):
            # The client returns a body that is not JSON as text: it came from a gateway, not from the API.
            raise DatabaseAway("ops_report: an answer that is not JSON")
        return answer

    def close(self) -> None:
        self._client.postgrest.session.close()
