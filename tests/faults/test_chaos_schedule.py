"""The faults of a chaos run are a pure function of its seed, and meet every part of the system."""

import subprocess
import sys

from pictor.contracts.modules import Service
from tests.faults.chaos.schedule import MENU, POINTS, SERVERS, schedule

SEEDS = range(1, 21)


def test_the_same_seed_gives_the_same_faults_with_the_same_parameters_in_another_process() -> None:
    script = "from tests.faults.chaos.schedule import schedule; print(schedule(42, 10))"
    other = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "random"}
    )
    assert other.stdout.strip() == str(schedule(42, 10))


def test_another_seed_gives_other_faults() -> None:
    assert schedule(1, 10) != schedule(2, 10)


def test_a_longer_run_goes_on_where_a_shorter_one_ends() -> None:
    short = schedule(7, 2)
    assert schedule(7, 10)[: len(short)] == short


def test_a_fault_comes_every_five_seconds_or_so() -> None:
    for seed in SEEDS:
        assert 90 <= len(schedule(seed, 10)) <= 150


def test_no_target_meets_a_fault_while_another_has_it_in_its_hands() -> None:
    for seed in SEEDS:
        busy: dict[str, float] = {}
        for event in schedule(seed, 10):
            if event.seconds:
                assert event.at_s >= busy.get(event.target, 0.0)
                busy[event.target] = event.at_s + event.seconds


def test_twenty_seeds_meet_every_server_service_crash_point_and_kind_of_fault() -> None:
    events = [event for seed in SEEDS for event in schedule(seed, 10)]
    assert {*SERVERS, *map(str, Service), *POINTS} <= {event.target for event in events}
    assert len({event.kind for event in events}) >= len(MENU)
