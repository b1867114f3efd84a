"""Section 7 of worker/local/realtime/FACTS.md: the limits and pauses of the stand-in are the real server's."""

from worker.local.realtime.settings import Settings


def test_s7_the_defaults_are_the_real_servers() -> None:
    usual = {name: field.default for name, field in Settings.model_fields.items()}
    assert usual["connect_error_backoff_ms"] == 2_000
    assert usual["channel_error_backoff_ms"] == 5_000
    assert usual["idle_timeout_ms"] == 60_000
    assert usual["poll_interval_ms"] == 100
    assert usual["subscribe_pause_ms"] == 1_000
    assert usual["access_token_throttle_ms"] == 10_000
    assert (usual["max_events_per_second"], usual["max_joins_per_second"]) == (100, 100)
    assert (usual["max_concurrent_users"], usual["max_channels_per_client"]) == (200, 100)
    assert (usual["max_payload_size_kb"], usual["max_presence_events_per_second"]) == (3_000, 1_000)
    assert (usual["client_presence_max_calls"], usual["client_presence_window_ms"]) == (5, 30_000)
