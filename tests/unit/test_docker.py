"""What docker/ promises, read off its files; `make image-check` builds and runs the images."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from simgen.storage.resources import KUBRIC

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
IMAGES = {"render": ("generate", "cluster"), "train": ("train",)}
LOCKS = {
    "requirements-render.txt": ("generate", "cluster"),
    "requirements-train.txt": ("train",),
    "requirements-train-cpu.txt": ("train",),
}


def instructions(image: str) -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / f"{image}.Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Package -> version and the number of its hashes."""
    entries = re.split(r"\n(?=\S)", (DOCKER / name).read_text().strip())
    found = {}
    for entry in entries:
        match = re.match(r"([\w.-]+)==(\S+)", entry)
        assert match, entry
        found[canonicalize_name(match[1])] = (match[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry)))
    return found


def declared(*extras: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return [Requirement(line) for line in named]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_ends_as_a_user_that_is_not_root(image: str) -> None:
    uid, gid = [value for word, value in instructions(image) if word == "USER"][-1].split(":")
    assert int(uid) > 0 and int(gid) > 0  # numbers, for Kubernetes to see that it is not root


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_mounted_is_not_covered_by_a_volume_of_the_image(image: str) -> None:
    assert "VOLUME" not in {word for word, _ in instructions(image)}


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_is_an_argument_with_a_digest_and_every_stage_stands_on_it(image: str) -> None:
    words = instructions(image)
    assert words[0][0] == "ARG" and re.fullmatch(r"BASE=debian:bookworm-slim@sha256:[0-9a-f]{64}", words[0][1])
    assert {value.split()[0] for word, value in words if word == "FROM"} == {"${BASE}"}


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_is_installed_without_hashes_but_what_was_built_there(image: str) -> None:
    runs = " && ".join(value for word, value in instructions(image) if word == "RUN")
    pips = [part for part in runs.split("&&") if re.search(r"\bpip\b.* install ", part)]
    assert len(pips) == 3
    for part in pips:
        assert "--no-deps" in part and ("--require-hashes" in part or "--no-index" in part), part


@pytest.mark.parametrize("image", IMAGES)
def test_the_health_check_is_a_check_of_the_doctor(image: str) -> None:
    from simgen.cli.checks import CHECKS

    (check,) = (value for word, value in instructions(image) if word == "HEALTHCHECK")
    assert yaml.safe_load(check.split("CMD ")[1]) == ["simgen", "doctor", image]
    assert image in CHECKS


@pytest.mark.parametrize("name", [*LOCKS, "requirements-build.txt"])
def test_every_requirement_is_a_version_with_hashes(name: str) -> None:
    packages = locked(name)
    assert packages and all(hashes > 0 for _, hashes in packages.values())


@pytest.mark.parametrize("name", LOCKS)
def test_every_direct_dependency_is_locked_at_a_version_it_admits(name: str) -> None:
    packages = locked(name)
    for requirement in declared(*LOCKS[name]):
        version, _ = packages[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: {version}"


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_hold_the_versions_that_the_tests_ran_with(name: str) -> None:
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    packages = locked(name)
    assert {p: v for p, (v, _) in packages.items() if p in tested} == {p: tested[p] for p in packages if p in tested}


def test_only_the_train_image_has_torch_and_only_the_render_image_has_blender() -> None:
    render, train = locked("requirements-render.txt"), locked("requirements-train.txt")
    assert "bpy" in render and "torch" not in render
    assert "torch" in train and not {"bpy", "ray", "pybullet", "kubric-nightly"} & set(train)
    assert not any(name.startswith(("nvidia-", "cuda-", "triton")) for name in locked("requirements-train-cpu.txt"))


def test_no_file_names_an_index_of_packages_or_a_mirror() -> None:
    for path in (*DOCKER.iterdir(), ROOT / ".dockerignore"):
        for address in re.findall(r"\w+://[^\s'\"`]+", path.read_text()):
            assert address.startswith(("docker://", "http://HEAD:")), f"{path.name}: {address}"


def test_the_services_are_sealed() -> None:
    services = compose()["services"]
    assert set(services) == set(IMAGES)
    for service in services.values():
        assert service["network_mode"] == "none" and service["read_only"] and service["cap_drop"] == ["ALL"]
        assert not str(service["user"]).startswith("0")
        assert {mount.rsplit("}", 1)[1].split(":")[1] for mount in service["volumes"]} >= {"/data"}
        assert service["tmpfs"]
        assert (ROOT / service["build"]["dockerfile"]).is_file()
    (device,) = services["train"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"] and "deploy" not in services["render"]


def compose() -> Any:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_the_pods_of_the_cluster_run_the_same_ray_as_the_image_and_share_the_output() -> None:
    job = yaml.safe_load((DOCKER / "ray-cluster.yaml").read_text())["spec"]
    cluster = job["rayClusterSpec"]
    assert cluster["rayVersion"] == locked("requirements-render.txt")["ray"][0]
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    for pod in (*pods, job["submitterPodTemplate"]["spec"]):
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 1000
        (container,) = pod["containers"]
        assert container["image"] == "simgen-render" and container["securityContext"]["readOnlyRootFilesystem"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    for pod in pods:
        assert "/data" in {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}


@pytest.mark.parametrize("script", sorted(DOCKER.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_parses_and_may_be_executed(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], capture_output=True, text=True).stderr == ""
    assert script.stat().st_mode & 0o111


PREPARE = DOCKER / "prepare.sh"


def prepare(
    folder: Path, python: str | Path = sys.executable, **environment: str
) -> "subprocess.CompletedProcess[str]":
    path = "/usr/sbin:/usr/bin:/sbin:/bin"  # where no uv is
    return subprocess.run(
        [PREPARE, str(python), folder], capture_output=True, text=True, env={"PATH": path, **environment}
    )


def test_all_missing_debian_packages_are_named_in_one_line_before_anything_is_made(tmp_path: Path) -> None:
    """Python is given an ensurepip and a ctypes that find nothing; on a Debian that has nothing: make image-check."""
    (tmp_path / "ensurepip.py").write_text("raise ModuleNotFoundError")
    (tmp_path / "ctypes.py").write_text("def CDLL(name):\n    raise OSError(name)")
    run = prepare(tmp_path / "venv", PYTHONPATH=str(tmp_path))
    lines = run.stderr.splitlines()
    assert run.returncode == 2 and len(lines) == 2 and not (tmp_path / "venv").exists()
    packages = lines[1].split("install --yes ")[1].split()
    assert packages[0] == "python3.11-venv" and set(packages[1:]) == set(
        re.findall(r":(lib\S+?)[ '\n]", PREPARE.read_text())
    )
    assert lines[1].replace("sudo ", "") in (ROOT / "README.md").read_text()


def test_doctor_image_and_check_want_the_same_libraries_of_debian() -> None:
    from simgen.cli.checks import _LIBRARIES

    wanted = set(re.findall(r":(lib\S+?)[ '\n]", PREPARE.read_text()))
    assert set(_LIBRARIES.split("install ")[1].split()) == wanted
    image = set(
        re.findall(r"\blib\w+", " ".join(v for w, v in instructions("render") if w == "RUN" and "useradd" in v))
    )
    # libxi6 brings libx11-6; libgl1 is put there without Mesa.
    assert wanted - image == {"libx11-6", "libgl1"}


@pytest.mark.slow
def test_a_half_made_environment_is_made_again_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    """Makes an environment with pip, as `make` does: 10 s of CPU."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    run = prepare(venv)
    assert run.returncode == 0 and "is made again" in run.stderr
    assert subprocess.run([venv / "bin/python", "-c", "import pip"]).returncode == 0
    (venv / "kept").touch()
    run = prepare(venv)
    assert (run.returncode, run.stderr) == (0, "") and (venv / "kept").exists()


def test_a_python_that_blender_does_not_exist_for_is_refused_with_what_to_do(tmp_path: Path) -> None:
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\necho 3.13\n")
    other.chmod(0o755)
    run = prepare(tmp_path / "venv", other)
    assert run.returncode == 2 and "Python 3.13" in run.stderr and "make PYTHON=" in run.stderr


def test_kubric_is_in_the_image_without_the_packages_it_declares() -> None:
    packages = locked("requirements-render.txt")
    assert packages["kubric-nightly"][0] == KUBRIC.partition("==")[2]
    assert not {"tensorflow", "apache-beam", "scikit-learn", "pandas"} & set(packages)
