"""Only a node's own processes are found and signalled, whatever numbers they have."""

import dataclasses
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_cluster import processes


@pytest.fixture
def member(tmp_path: Path) -> Iterator[processes.Member]:
    """A process of a node in tmp_path."""
    pid = processes.spawn(tmp_path, "sleeper", ["sleep", "600"], tmp_path / "log", tmp_path / "tmp")
    found = processes.read_member(pid)
    assert found is not None
    yield found
    if processes.send(found, signal.SIGKILL):
        os.waitpid(pid, 0)


def test_a_process_says_which_node_and_component_it_is(tmp_path: Path, member: processes.Member) -> None:
    assert processes.members(tmp_path) == [member]
    assert (member.component, member.folder, member.leads) == ("sleeper", tmp_path, True)
    assert processes.members(tmp_path / "other") == []


def test_a_descendant_belongs_to_the_node_but_is_not_the_component(tmp_path: Path) -> None:
    shell = ["sh", "-c", "sleep 600 & wait"]
    processes.spawn(tmp_path, "runtime", shell, tmp_path / "log", tmp_path / "tmp")
    while len(found := processes.members(tmp_path)) < 2:
        pass
    assert sorted(m.leads for m in found) == [False, True]
    processes.stop(found)
    assert processes.members(tmp_path) == []


def test_a_component_is_seen_as_soon_as_it_is_started(tmp_path: Path) -> None:
    for number in range(50):
        pid = processes.spawn(tmp_path, "sleeper", ["sleep", "600"], tmp_path / "log", tmp_path / "tmp")
        assert processes.read_member(pid) is not None, f"start {number}"
    processes.stop(processes.members(tmp_path))


def test_a_program_that_ends_at_once_is_no_member_and_no_wait(tmp_path: Path) -> None:
    pid = processes.spawn(tmp_path, "short", ["true"], tmp_path / "log", tmp_path / "tmp")
    assert os.waitpid(pid, 0)[0] == pid
    assert processes.members(tmp_path) == []


def test_what_a_component_puts_aside_lies_in_its_node(tmp_path: Path) -> None:
    pid = processes.spawn(tmp_path, "short", ["mktemp"], tmp_path / "log", tmp_path / "tmp")
    os.waitpid(pid, 0)
    assert [str(path) for path in (tmp_path / "tmp").iterdir()] == (tmp_path / "log").read_text().split()


def test_a_reused_number_is_never_signalled(member: processes.Member) -> None:
    earlier = dataclasses.replace(member, started=member.started - 1)
    assert not processes.send(earlier, signal.SIGKILL)
    assert processes.read_member(member.pid) == member


def test_a_process_that_is_gone_is_not_signalled(tmp_path: Path, member: processes.Member) -> None:
    processes.stop([member])
    assert processes.read_member(member.pid) is None
    assert not processes.send(member, signal.SIGKILL)


def test_somebody_elses_process_is_no_member() -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        assert processes.read_member(other.pid) is None
        other.kill()


def test_a_process_deaf_to_sigterm_is_killed(tmp_path: Path) -> None:
    deaf = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]
    processes.spawn(tmp_path, "deaf", deaf, tmp_path / "log", tmp_path / "tmp")
    while "deaf" not in (tmp_path / "log").read_text():
        pass
    processes.stop(processes.members(tmp_path), patience=0.2)
    assert [m for m in processes.members(tmp_path) if m.leads] == []


def test_a_dead_servers_socket_file_does_not_count_as_listening(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert processes.listens(path)
    assert path.exists() and not processes.listens(path)
