"""Submissions wait for the ledger's thread without polling; each caller gets an entry or an error, also when it stops."""

import threading
import time

import pytest

from federation.errors import SiteUnavailableError
from federation.node.ledger.submissions import Submission, SubmissionQueue, complete
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.entries import MAX_ENTRIES

REQUEST, AMENDMENT = object(), None


def submission(ask=REQUEST):
    return Submission(draft=None, ask=ask)


def entering(queue, *submissions):
    """Enter each in a thread of its own, in order; their outcomes by place."""
    outcomes, threads = {}, []

    def enter(place, each):
        try:
            outcomes[place] = queue.enter(each)
        except Exception as error:
            outcomes[place] = error

    for place, each in enumerate(submissions):
        threads.append(threading.Thread(target=enter, args=(place, each), daemon=True))
        threads[-1].start()
        while len(queue) <= place:
            time.sleep(0.001)
    return outcomes, threads


def ended(threads):
    for thread in threads:
        thread.join(5)
    return not any(thread.is_alive() for thread in threads)


def test_requests_that_wait_are_taken_together_and_an_amendment_alone():
    queue = SubmissionQueue("anna")
    waiting = [submission(ask) for ask in (REQUEST, REQUEST, AMENDMENT, AMENDMENT, REQUEST)]
    outcomes, threads = entering(queue, *waiting)
    batches = [queue.take() for _ in range(4)]
    assert batches == [waiting[:2], waiting[2:3], waiting[3:4], waiting[4:]]
    for batch in batches:
        complete(batch, dict(enumerate(batch)))
    assert ended(threads)
    assert outcomes == dict(enumerate(waiting))


def test_one_batch_is_no_larger_than_a_proposal():
    queue = SubmissionQueue("anna")
    waiting = [submission() for _ in range(MAX_ENTRIES + 1)]
    _, threads = entering(queue, *waiting)
    assert (len(queue.take()), len(queue.take())) == (MAX_ENTRIES, 1)
    queue.close("it is stopping")
    assert ended(threads)


def test_closing_wakes_every_caller_and_refuses_later_ones():
    queue = SubmissionQueue("anna")
    refused, done, taken, left = (submission() for _ in range(4))
    outcomes, threads = entering(queue, refused, done, taken)
    assert queue.take() == [refused, done, taken]
    refused.fail(LedgerRefusedError(reason="no"))
    complete([done], {0: "entry"})
    late, more = entering(queue, left)
    queue.close("it is stopping")
    queue.close("another reason")
    assert ended(threads + more)
    assert isinstance(outcomes[0], LedgerRefusedError)
    assert outcomes[1] == "entry"
    for error in (outcomes[2], late[0]):
        assert isinstance(error, SiteUnavailableError)
        assert "it is stopping" in str(error)
    assert queue.take() == []
    with pytest.raises(SiteUnavailableError, match="it is stopping"):
        queue.enter(submission())


def test_a_thread_that_waits_takes_each_submission_as_it_comes():
    queue = SubmissionQueue("anna")

    def work():
        while batch := queue.take():
            complete(batch, {0: "entry"})

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert [queue.enter(submission()) for _ in range(3)] == ["entry"] * 3
    queue.close("it is stopping")
    assert ended([thread])
