"""The keys of the local project: the same for everybody who starts it, however many start at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from worker.local.processes import StartError
from worker.local.supabase import key_file

# As long as it takes from a look at the file to the new one, another start looks, too.
SLOWLY = """
import pathlib, sys, time
from worker.local.supabase import key_file
exists = pathlib.Path.exists
pathlib.Path.exists = lambda path: (exists(path), time.sleep(0.5))[0]
print(key_file.load_or_create(pathlib.Path(sys.argv[1])).secret)
"""


def test_first_starts_at_once_have_the_keys_that_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    starts = [
        subprocess.Popen([sys.executable, "-c", SLOWLY, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = [start.communicate()[0].strip() for start in starts]
    assert [start.returncode for start in starts] == [0, 0, 0]
    assert set(told) == {key_file.load_or_create(path).secret}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"secret": "only"}', "\udcff"])
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StartError, match=r"keys\.json cannot be read: remove it"):
        key_file.load_or_create(path)
