import json
import threading

from tats_exp.files import atomic, write_json


def test_threads_that_write_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.json"
    with atomic(path) as mine:
        mine.write_text("[1]")
        other = threading.Thread(target=write_json, args=(path, [2]))
        other.start()
        other.join()
        assert json.loads(path.read_text()) == [2]
    assert json.loads(path.read_text()) == [1] and list(tmp_path.iterdir()) == [path]
