from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from hiper_base.errors import DataError
from webshop_server.site.config import SiteConfig
from webshop_server.site.logs import EventLog


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_cannot_be_forged(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "shop.jsonl"
    log = EventLog(path)
    log.write("request", path='/\n{"event":"forged"}\r\u2028\ud800', status=404)
    log.write("request", path="/", status=200)
    log.close()
    first, second = lines_of(path)
    assert first["path"].startswith('/\n{"event"')
    assert second["status"] == 200
    assert first["time"] <= second["time"]


def test_a_log_that_grows_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    log = EventLog(path, max_bytes=1000)
    for number in range(100):
        log.write("request", number=number)
    log.close()
    kept = [line["number"] for file in (tmp_path / "shop.jsonl.1", path) for line in lines_of(file)]
    assert kept == list(range(kept[0], 100))
    assert len(kept) > 5
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2500
    # A later run goes on with the same file.
    log = EventLog(path)
    log.write("started")
    log.close()
    assert len(lines_of(path)) == len(kept) - len(lines_of(tmp_path / "shop.jsonl.1")) + 1


def test_lines_of_threads_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "shop.jsonl"
    log = EventLog(path)

    def write(name: str) -> None:
        for number in range(100):
            log.write("request", name=name * 50, number=number)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sorted((line["name"][0], line["number"]) for line in lines_of(path)) == [
        (name, number) for name in "abcd" for number in range(100)
    ]


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write the log"):
        EventLog(tmp_path / "file" / "shop.jsonl")
    with pytest.raises(DataError):
        EventLog(tmp_path)
    log = EventLog(tmp_path / "shop.jsonl")
    log.close()
    log.write("late")
    assert log.lost == 1


def test_no_log_at_all() -> None:
    log = EventLog(None)
    log.write("request")
    log.close()
    assert log.lost == 0


def test_what_the_site_logs(client: FlaskClient, config: SiteConfig) -> None:
    opened = client.post("/api/v1/sessions", json={"goal_id": "synthetic/3"}).get_json()
    url, token = f"/api/v1/sessions/{opened['session_id']}", opened["token"]
    headers = {"Authorization": f"Bearer {token}"}
    for action in ("search[shirt]", "click[b000000003]", "click[buy now]"):
        client.post(f"{url}/actions", json={"action": action}, headers=headers)
    client.get("/nothing?password=in-a-query", auth=("operator", "open sesame"))
    assert config.log_file is not None
    written = config.log_file.read_text(encoding="utf-8")
    lines = lines_of(config.log_file)
    events = [line["event"] for line in lines]
    assert events == [
        *("created", "request", "action", "request", "action", "request", "finished", "request"),
        "request",
    ]
    search, bought, missing = lines[2], lines[6], lines[8]
    assert (search["action"], search["valid"], search["page"]) == ("search[shirt]", True, "results")
    assert bought["asin"] == "B000000003"
    assert 0 < bought["score"] < 1
    assert (missing["status"], missing["path"], missing["method"]) == (404, "/nothing", "GET")
    assert missing["ms"] >= 0
    for secret in (token, "in-a-query", "open sesame"):
        assert secret not in written
