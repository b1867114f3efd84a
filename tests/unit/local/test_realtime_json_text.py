"""JSON as it goes on the wire."""

import json

from worker.local.realtime import json_text


def test_text_is_as_short_as_utf_8_is() -> None:
    assert json_text.dumps("Привет, 世界 👋").encode() == '"Привет, 世界 👋"'.encode()


def test_half_a_character_can_still_be_sent() -> None:
    text = json_text.dumps({"half": "\ud83d", "more": "é"})
    assert json.loads(text.encode()) == {"half": "\ud83d", "more": "é"}
