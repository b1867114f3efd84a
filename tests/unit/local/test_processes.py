"""A service that does not start says why, in its own last words."""

import sys
from pathlib import Path

import pytest

from worker.local.processes import Service, StartError


def test_why_it_stopped_is_told_without_the_words_of_earlier_starts(tmp_path: Path) -> None:
    word = tmp_path / "word"
    command = [sys.executable, "-c", f"import sys; sys.exit(open({str(word)!r}).read())"]
    service = Service("It", command, log=tmp_path / "it.log", ready=lambda: False)
    for text in ("the first reason", "the second reason"):
        word.write_text(text)
        with pytest.raises(StartError) as stopped:
            service.start()
        assert f"It stopped while starting:\n{text}\n" in str(stopped.value)
