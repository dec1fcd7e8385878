"""What a machine, its containers and its users leave to a run: cores, memory, folders, signals."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simgen.cli.app import main
from simgen.run import machine
from simgen.run.machine import CgroupLimits, fitting_workers, read_cgroup_limits
from simgen.storage.temporary import private_folder, remove_abandoned

GB = 10**9
ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[str, str, dict[str, str]], Path]:
    """`tree(mountinfo, cgroup, files)`: a written-out root of a file system, as a process in a container sees it."""

    def write(mounts: str, groups: str, files: dict[str, str]) -> Path:
        for name, text in {"proc/self/mountinfo": mounts, "proc/self/cgroup": groups, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text + "\n")
        return tmp_path

    return write


V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"


def test_of_nested_groups_of_version_2_the_tightest_counts(tree) -> None:
    root = tree(
        V2,
        "0::/user.slice/job/step",
        {
            "sys/fs/cgroup/user.slice/cpu.max": "150000 100000",
            "sys/fs/cgroup/user.slice/memory.max": "1200000000",
            "sys/fs/cgroup/user.slice/memory.current": "700000000",
            "sys/fs/cgroup/user.slice/memory.stat": "anon 400000000\ninactive_file 300000000",
            "sys/fs/cgroup/user.slice/memory.events": "low 0\noom 3\noom_kill 2",
            "sys/fs/cgroup/user.slice/job/cpu.max": "max 100000",
            "sys/fs/cgroup/user.slice/job/memory.max": "max",
            "sys/fs/cgroup/user.slice/job/memory.high": "2000000000",
            "sys/fs/cgroup/user.slice/job/memory.current": "100000000",
            "sys/fs/cgroup/user.slice/job/step/memory.max": "max",
            "sys/fs/cgroup/user.slice/job/step/memory.events": "oom_kill 1",
        },
    )
    assert read_cgroup_limits(root) == CgroupLimits(
        cpus=1.5, memory_bytes=1_200_000_000, free_bytes=800_000_000, oom_kills=2
    )


def test_a_container_of_version_1_sees_its_own_part_of_the_path(tree) -> None:
    """Without a namespace for groups, the paths are those of the host, and its part of them is mounted."""
    root = tree(
        "31 23 0:28 /docker/ab /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
        "32 23 0:29 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        "33 23 0:30 /docker/ab /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids",
        "4:pids:/docker/ab\n3:cpuacct,cpu:/docker/ab\n2:memory:/docker/ab/inner\n1:name=systemd:/docker/ab\n0::/",
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "50000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "500000000",
            "sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 3000000000\ntotal_inactive_file 0",
            "sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "4000000000",
            "sys/fs/cgroup/memory/inner/memory.usage_in_bytes": "100000000",
            "sys/fs/cgroup/memory/inner/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5",
        },
    )
    # The outermost limit is known from `hierarchical_memory_limit` alone.
    assert read_cgroup_limits(root) == CgroupLimits(
        cpus=2.0, memory_bytes=3_000_000_000, free_bytes=2_500_000_000, oom_kills=5
    )


@pytest.mark.parametrize(
    ("mounts", "groups", "files"),
    [
        ("", "", {}),
        (V2, "0::/", {"sys/fs/cgroup/cgroup.procs": "1"}),
        (V2, "0::/../../elsewhere", {"elsewhere/memory.max": "5"}),
        (V2, "0::/gone", {"sys/fs/cgroup/cpu.max": "", "sys/fs/cgroup/memory.max": "many"}),
        ("not a mount", "nothing", {}),
    ],
    ids=["no groups", "no limits", "outside the namespace", "damaged", "other files"],
)
def test_where_nothing_is_limited_there_is_no_limit(tree, mounts: str, groups: str, files: dict[str, str]) -> None:
    assert read_cgroup_limits(tree(mounts, groups, files)) == CgroupLimits()


def test_workers_are_weighed_against_memory() -> None:
    assert fitting_workers(int(1.2e9)) == 0
    assert fitting_workers(int(2.0e9)) == 1
    assert fitting_workers(24 * GB) == 21
    assert fitting_workers(24 * GB, machine.worker_bytes(2048, 2048)) < 12


@contextlib.contextmanager
def real_group(controller: str, settings: dict[str, int]) -> Iterator[Path]:
    """A control group of version 1 with these settings."""
    group = Path("/sys/fs/cgroup", controller, f"simgen-test-{os.getpid()}")
    try:
        group.mkdir()
        for name, value in settings.items():
            (group / name).write_text(str(value))
    except OSError:
        pytest.skip(f"only root on a machine with version 1 of control groups can make one for {controller}")
    try:
        yield group
    finally:
        group.rmdir()


def test_a_real_quota_and_memory_limit_are_kept_by_doctor_and_dry_run() -> None:
    """Two seconds: three processes in groups of one core and 2 GB."""
    with (
        real_group("cpu", {"cpu.cfs_quota_us": 100_000}) as cpu,
        real_group("memory", {"memory.limit_in_bytes": 1_900_000_000}) as memory,
    ):
        (memory / "inner").mkdir()
        join = f"echo $$ > {cpu}/cgroup.procs; echo $$ > {memory}/inner/cgroup.procs; "
        simgen = f"{sys.executable} -m simgen.cli"
        commands = f"{simgen} doctor cores memory; exec {simgen} generate smoke --n 4 --dry-run --probes 0"
        ended = subprocess.run(["sh", "-c", join + commands], capture_output=True, text=True, cwd=ROOT)
        (memory / "inner").rmdir()
    assert "cores      1: as many workers" in ended.stdout, ended
    assert "1.9 GB free, enough for 1 workers" in ended.stdout
    assert "with 1 workers" in ended.stdout


def test_a_limit_is_lowered_and_never_raised() -> None:
    """In processes of their own: a limit that is lowered stays so."""
    none = resource.RLIM_INFINITY
    code = (
        "import os, resource; from simgen.run.machine import lower_limit\n"
        f"for given in ({none}, {none}), (4 << 30, 4 << 30), (3 << 30, {none}), (8 << 30, 9 << 30):\n"
        "    if not os.fork():\n"
        "        resource.setrlimit(resource.RLIMIT_DATA, given); lower_limit(resource.RLIMIT_DATA, 6 << 30)\n"
        "        print(*resource.getrlimit(resource.RLIMIT_DATA), flush=True); os._exit(0)\n"
        "    os.wait()"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    assert said.splitlines() == [
        f"{6 << 30} {none}",
        f"{4 << 30} {4 << 30}",
        f"{3 << 30} {none}",
        f"{6 << 30} {9 << 30}",
    ]


HOLDER = (
    "import sys; from pathlib import Path; from simgen.storage.temporary import private_folder\n"
    "with private_folder('held-', Path(sys.argv[1])) as place:\n"
    "    (place / 'work').mkdir(); print(place, flush=True); input()"
)


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process that has a temporary folder below `tmp_path`."""
    running: list[subprocess.Popen[str]] = []

    def start(*before: str) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "-c", HOLDER, str(tmp_path)]
        running.append(subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.communicate()


def test_a_temporary_folder_is_removed_when_its_process_is_gone_and_not_before(hold, tmp_path: Path) -> None:
    holder = hold()
    place = Path(holder.stdout.readline().strip())
    assert place.stat().st_mode & 0o777 == 0o700
    remove_abandoned("held-", tmp_path)
    assert (place / "work").is_dir()
    holder.kill()
    holder.wait()
    assert place.is_dir()
    ended: list[Path] = []
    remove_abandoned("held-", tmp_path, end=ended.append)
    assert ended == [place] and not place.exists()


def test_a_temporary_folder_of_another_pid_namespace_is_left_alone(hold, tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode:
        pytest.skip("only root can make a namespace for processes")
    # With a number there that is nobody's here.
    last = "echo $(($(cat /proc/sys/kernel/pid_max) - 9)) > /proc/sys/kernel/ns_last_pid; "
    holder = hold("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", last + '"$@"; true', "sh")
    place = Path(holder.stdout.readline().strip())
    remove_abandoned("held-", tmp_path)
    assert (place / "work").is_dir()
    holder.communicate("\n")
    assert not place.exists()


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "held-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "held-file").touch(0o700)
    (tmp_path / "held-shared").mkdir()
    (tmp_path / "held-empty").mkdir(mode=0o700)
    (tmp_path / "held-open").mkdir(mode=0o700)
    (tmp_path / "held-open" / "data").touch()
    if os.geteuid() == 0:
        (tmp_path / "held-foreign").mkdir(mode=0o700)
        os.chown(tmp_path / "held-foreign", 12345, 12345)
    before = {path.name for path in tmp_path.iterdir()}
    remove_abandoned("held-", tmp_path)
    # An empty one is left by a process that was killed right after it was made.
    assert {path.name for path in tmp_path.iterdir()} == before - {"held-empty"}
    with private_folder("held-", tmp_path) as place:
        remove_abandoned("held-", tmp_path)
        assert place.is_dir()
    assert not place.exists()


def python(code: str, *before: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    command = [*before, sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=path | environment)


CACHE = "from simgen.storage.cache import default_cache; default_cache(); print(default_cache())"


def test_where_home_cannot_be_written_the_cache_is_a_temporary_folder_and_said_once(tmp_path: Path) -> None:
    locked = tmp_path / "home"
    locked.mkdir(mode=0o500)
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        before = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
    ended = python(CACHE, *before, HOME=str(locked), TMPDIR=str(tmp_path))
    place = tmp_path / f"simgen-cache-{os.getuid()}"
    assert ended.stdout == f"{place}\n", ended
    assert place.stat().st_mode & 0o777 == 0o700
    assert ended.stderr == (
        f"simgen: {locked}/.cache cannot be written (Permission denied): the cache is {place}; "
        "name a folder that lasts in SIMGEN_CACHE\n"
    )
    named = python(CACHE, *before, HOME=str(locked), TMPDIR=str(tmp_path), SIMGEN_CACHE="/some/where")
    assert (named.stdout, named.stderr) == ("/some/where\n", "")


def test_a_cache_that_is_filled_and_cannot_be_written_is_used(tmp_path: Path) -> None:
    cache = tmp_path / ".cache" / "simgen"
    (cache / "archives").mkdir(parents=True)
    cache.chmod(0o500)
    assert python(CACHE, HOME=str(tmp_path)).stdout == f"{cache}\n"


def test_a_user_without_a_home_folder_has_a_cache(tmp_path: Path) -> None:
    nobody = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
    # So that the Python of the tests can be read, wherever it is.
    reading = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
    if subprocess.run([*nobody, *reading, "true"], capture_output=True).returncode:
        pytest.skip("only root can be somebody else")
    tmp_path.chmod(0o777)
    ended = python(CACHE, *nobody, *reading, TMPDIR=str(tmp_path))
    assert ended.stdout == f"{tmp_path}/simgen-cache-54321\n", ended
    assert ended.stderr.startswith("simgen: this user has no home folder: the cache is ")
    # Laid there by somebody else to be filled by us.
    shutil.rmtree(tmp_path / "simgen-cache-54321")
    (tmp_path / "simgen-cache-54321").mkdir()
    ended = python(CACHE, *nobody, *reading, TMPDIR=str(tmp_path))
    assert "is not this user's alone" in ended.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_with_its_code_and_its_handler_is_put_back(
    monkeypatch, capsys, number: int, code: int
) -> None:
    from simgen.cli import app

    def stopped(**_: object) -> None:
        signal.raise_signal(number)

    handlers = {n: signal.getsignal(n) for n in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    # As a shell in the foreground starts it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(app.cli, "main", stopped)
    try:
        for _ in range(2):
            with pytest.raises(SystemExit) as end:
                main([])
            assert end.value.code == code
            assert signal.getsignal(signal.SIGTERM) == handlers[signal.SIGTERM]
            assert signal.getsignal(signal.SIGHUP) == handlers[signal.SIGHUP]
    finally:
        signal.signal(signal.SIGINT, handlers[signal.SIGINT])
    assert capsys.readouterr().err.count("simgen: error: ") == 2


def test_what_ignores_that_its_terminal_closes_goes_on(monkeypatch) -> None:
    """As under nohup."""
    from simgen.cli import app

    monkeypatch.setattr(app.cli, "main", lambda **_: signal.raise_signal(signal.SIGHUP) or 5)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as end:
            main([])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert end.value.code == 5


def test_ctrl_c_while_the_program_is_imported_prints_one_line() -> None:
    """What Python itself does before it comes to simgen, a few hundredths of a second, is not simgen's."""
    code = (
        "import signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == sys.argv[1]: signal.raise_signal(signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from simgen.cli import main; main(['scenes'])"
    )
    for module in ("simgen.cli.app", "click", "simgen.cli.commands.scenes", "numpy"):
        run = subprocess.run([sys.executable, "-c", code, module], capture_output=True, text=True, cwd=ROOT)
        # A line of its own, after the ^C that a terminal shows.
        assert (run.returncode, run.stderr.lstrip()) == (130, "simgen: error: interrupted\n"), module


@pytest.mark.parametrize("program", [("-m", "simgen.cli"), ("-c", "from simgen.cli import main; main()")])
def test_a_file_in_the_current_folder_is_never_imported(tmp_path: Path, program: tuple[str, ...]) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('a stranger')")
    (tmp_path / "click.py").write_text("raise SystemExit('a stranger')")
    run = subprocess.run(
        [sys.executable, *program, "scenes", "drop"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0 and "law: " in run.stdout, run.stderr
