from __future__ import annotations

import multiprocessing
import sys

import pytest

from benchmarks.leaderboard.inbox import Inbox, report_pipe

CONTEXT = multiprocessing.get_context("spawn")


def test_messages_come_in_order_until_nobody_can_send_any_more() -> None:
    ours, theirs = report_pipe(CONTEXT)
    inbox = Inbox(ours)
    assert inbox.receive(timeout=0.01) is None
    for message in ("one", b"2" * 2**21, "three"):
        theirs.send(message)
    assert [inbox.receive(), len(inbox.receive()), inbox.receive()] == ["one", 2**21, "three"]
    theirs.close()
    for _ in range(2):
        with pytest.raises(EOFError):
            inbox.receive()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has wider pipes")
def test_half_a_megabyte_is_sent_though_nobody_reads() -> None:
    ours, theirs = report_pipe(CONTEXT)
    sender = CONTEXT.Process(target=theirs.send_bytes, args=(b"x" * 2**19,))
    sender.start()
    try:
        sender.join(60)
        assert sender.exitcode == 0
        assert len(ours.recv_bytes()) == 2**19
    finally:
        sender.kill()
