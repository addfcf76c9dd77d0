"""How many lists are in work at once: a burst is taken, a queue that stands is not."""

from __future__ import annotations

import pytest

from engine.errors import Overloaded
from serving.admission import FEWEST, MOST, STANDING, WITHIN, Admission


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def fill(admission):
    """Enter until there is no room; the tickets."""
    tickets = []
    while admission.full() is None:
        tickets.append(admission.enter())
        assert len(tickets) <= MOST
    assert isinstance(admission.full(), Overloaded)
    return tickets


def made(admission, clock, tickets, *, each):
    for ticket in tickets:
        clock.now += each
        admission.leave(ticket)


def test_a_burst_is_taken_whole_whatever_a_list_takes(clock):
    admission = Admission(clock)
    tickets = fill(admission)
    assert len(tickets) == MOST
    made(admission, clock, tickets, each=0.01)
    clock.now += 10
    assert len(fill(admission)) == MOST


def test_where_the_queue_stands_so_many_are_taken_as_are_answered_in_time(clock):
    admission, each = Admission(clock), WITHIN / 50
    waiting = fill(admission)
    for _ in range(1_000):  # as fast as one is made the next one comes
        made(admission, clock, waiting[:1], each=each)
        waiting = waiting[1:]
        if admission.full() is None:
            waiting.append(admission.enter())
    assert 40 <= len(waiting) <= 60
    assert (len(waiting) * each) < 1.3 * WITHIN


def test_however_slow_lists_are_some_are_taken(clock):
    admission = Admission(clock)
    waiting = fill(admission)
    for _ in range(500):
        made(admission, clock, waiting[:1], each=0.05)
        waiting = waiting[1:]
        if admission.full() is None:
            waiting.append(admission.enter())
    assert len(waiting) == FEWEST


def test_after_the_queue_is_gone_all_is_as_before(clock):
    admission = Admission(clock)
    tickets = fill(admission)
    made(admission, clock, tickets[:-1], each=2 * STANDING)
    clock.now += STANDING
    admission.leave(tickets[-1])
    assert admission.at_once == 0
    assert len(fill(admission)) == MOST
