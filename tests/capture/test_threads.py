"""The number of threads of a pass: the faster one, and torch's own afterwards."""

import pytest
import torch

from inspect_core.capture.threads import AGAIN, Threads, threads_for


def rounds(threads, pace, passes):
    """Threads of each pass, where a token takes `pace` seconds by their number."""
    taken = []
    for _ in range(passes):
        taken.append(threads.next)
        threads.took(pace[threads.next] * 100, 100)
    return taken


def test_the_faster_number_is_taken_and_looked_for_again():
    threads = Threads(4)
    assert rounds(threads, {4: 1.0, 1: 3.0}, 6) == [4, 4, 1, 4, 4, 4]
    assert rounds(Threads(4), {4: 3.0, 1: 1.0}, 6) == [4, 4, 1, 1, 1, 1]
    rounds(threads, {4: 1.0, 1: 3.0}, AGAIN - 5)
    assert rounds(threads, {4: 3.0, 1: 1.0}, 4) == [4, 1, 1, 1]


def test_torch_has_its_own_number_again():
    before = torch.get_num_threads()
    threads = Threads(before + 1)
    with pytest.raises(ZeroDivisionError), threads.used(1):
        assert torch.get_num_threads() == before + 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before
    assert threads_for(torch.device("cpu"), live=True).most == 1
    assert threads_for(torch.device("cuda"), live=False).most == 1
