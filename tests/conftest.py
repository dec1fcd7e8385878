"""Hand-made samples and whole data sets of them, small and real, for tests that need no engine."""

import base64
import functools
import http.server
import json
import os
import random
import re
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simgen.core.assets import Credit, EnvironmentAsset, Material, ObjectAsset, Split, SurfaceAsset
from simgen.core.rollout import Contact, Rollout, Truth
from simgen.core.sample import Gate, Instructions, Reject, Sample
from simgen.core.spec import Body, Camera, Environment, Event, Light, Push, Release, Remove, SceneSpec, Stage
from simgen.core.tracks import PoseTrack, VisibilityTrack
from simgen.dataset.entry import Entry, sample_entry
from simgen.dataset.layout import update_checksums
from simgen.dataset.shards import write_shard
from simgen.plan.plan import RESOLVED, Plan, SampleId, make_plan
from simgen.plan.recipe import Recipe, Render, SceneChoice
from simgen.record.build import make_record
from simgen.record.sources import Identity, RecordSource
from simgen.scene.registry import Phrases, Range, Scene
from simgen.storage.files import write_file
from simgen.storage.paths import RemotePath, as_path

WIDTH, HEIGHT = 64, 48


# Which tests share a process, and in what order they run.

SECONDS = Path(__file__).with_name("seconds.json")
"""What groups of tests take on one core; `pytest --write-seconds` measures it."""
SCENES = {path.stem for path in (Path(__file__).parents[1] / "scenes").glob("*.py")}


def group_of(test: str) -> str:
    """What stays in one process: a file, but for the physics of a scene, which stays with the other tests of that scene
    wherever they are, so that its rollouts are made once."""
    file, _, name = test.partition("::")
    scene = next((word for word in re.split(r"[\[\]-]", name)[1:] if word in SCENES), None)
    return f"scene {scene}" if scene and "/physics/" in file else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest groups first, so that none begins when the others are done."""
    seconds = json.loads(SECONDS.read_text())
    items.sort(key=lambda item: -seconds.get(group_of(item.nodeid), 0.0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    # Its own `--dist loadgroup` does nothing with pytest 9.2.
    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-seconds", action="store_true", help=f"write what the tests take to {SECONDS.name}")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("write_seconds"):
        return
    spent: Counter[str] = Counter()
    for report in (r for found in terminalreporter.stats.values() for r in found if isinstance(r, pytest.TestReport)):
        spent[group_of(report.nodeid)] += report.duration
    known = json.loads(SECONDS.read_text()) | {group: round(seconds) for group, seconds in spent.items()}
    longest = sorted(known.items(), key=lambda one: (-one[1], one[0]))
    SECONDS.write_text(json.dumps({group: seconds for group, seconds in longest if seconds >= 3}, indent=0) + "\n")


class StandInCatalog:
    """A few assets made up from the types alone: `toys:mug-0` and so on, `planks:oak`, `sky:room`, `sky:field`."""

    def object(self, ref: str) -> ObjectAsset:
        source, name = ref.split(":")
        number = int(name.rpartition("-")[2])
        return ObjectAsset(
            id=name,
            source=source,
            label="white mug",
            kind="mug",
            bounds_m=((-0.04, -0.04, -0.05), (0.04, 0.04, 0.05)),
            volume_m3=1.5e-4,
            mass_kg=0.3,
            manifest_mass_kg=1.5e-4,
            substance="ceramic",
            friction=0.6,
            restitution=0.2,
            split="test" if number == 9 else "train",
            credit=Credit(
                title=f"Mug {number}", author="A. Potter", license="CC BY 4.0", url="https://example.org/mug"
            ),
            sha256=f"{number:064x}",
        )

    def surface(self, ref: str) -> SurfaceAsset:
        source, name = ref.split(":")
        return SurfaceAsset(
            id=name,
            source=source,
            label="oak table top",
            substance="wood",
            material=Material(roughness=0.4),
            friction=0.6,
            restitution=0.3,
            credit=Credit(title="Oak", author="B. Joiner", license="CC0 1.0"),
            sha256="b" * 64,
        )

    def environment(self, ref: str) -> EnvironmentAsset:
        source, name = ref.split(":")
        return EnvironmentAsset(
            id=name,
            source=source,
            label="a room",
            indoor=name == "room",
            split="test" if name == "field" else "train",
            credit=Credit(title=name.title(), author="C. Walker", license="CC0 1.0", url="https://example.org/sky"),
            sha256="c" * 64,
        )


@dataclass(frozen=True, kw_only=True)
class Nudge(Scene):
    """A mug is pushed."""

    strength: Range = (1.0, 2.0)
    label: str | None = None

    law = "friction"
    types = (21,)
    phrases = Phrases(superficial=("push it",), intermediate=("push it",), explicit=("push it",))


def nudge_spec(*, bodies: int = 2, events: bool = True, index: int = 0, split: Split = "train") -> SceneSpec:
    """A row of mugs on an oak table, with a box in every third place."""
    mugs, sky = (("toys:mug-9",), "sky:field") if split == "test" else (("toys:mug-0", "toys:mug-1"), "sky:room")
    made = []
    for i in range(bodies):
        common = {
            "id": i + 1,
            "role": "actor" if i == 0 else "affected",
            "position_m": (0.2 * i, 0.0, 0.05),
            "mass_kg": 0.3,
            "friction": 0.6,
            "restitution": 0.2,
        }
        if i % 3 == 2:
            box = Material(base_color=(0.5, 0.2, 0.1))
            size_m = (0.1, 0.1, 0.1)
            made.append(Body(**common, label="box", shape="box", size_m=size_m, material=box, surface="planks:oak"))
        else:
            made.append(Body(**common, label="white mug", asset=mugs[(index + i) % len(mugs)], scale=1.5))
    done: tuple[Event, ...] = (
        Push(time_s=0.0, body=1, impulse_ns=(0.1, 0.0, -0.0)),
        Release(time_s=0.1, body=1),
        *((Remove(time_s=0.5, body=bodies),) if bodies > 1 else ()),
    )
    return SceneSpec(
        scene="nudge",
        bodies=tuple(made),
        stage=Stage(kind="table", surface="planks:oak"),
        lights=(Light(kind="area", name="key", position_m=(1.0, 1.0, 2.0), power=60.0),),
        environment=Environment(asset=sky, strength=0.8),
        camera=Camera(position_m=(0.0, -1.0, 0.6), look_at_m=(0.1, 0.0, 0.05)),
        events=done if events else (),
        end_state="rest" if events else "moving",
    )


def nudge_rollout(spec: SceneSpec, *, contacts: int = 1) -> Rollout:
    """Five instants in which the actor goes 10 cm along x and the last body is taken away where the spec says so."""
    times_s = np.linspace(0.0, 1.0, 5)
    tracks: list[PoseTrack | VisibilityTrack] = []
    for body in spec.bodies:
        position_m = np.tile(np.array(body.position_m), (5, 1))
        if body.role == "actor":
            position_m[:, 0] += 0.1 * times_s
        still = np.zeros((5, 3))
        tracks.append(
            PoseTrack(
                body=body.id,
                position_m=position_m,
                quaternion=np.tile(np.array(body.quaternion), (5, 1)),
                velocity_mps=still,
                # What a solver leaves behind: zeros of either sign.
                angular_velocity_radps=-still,
            )
        )
    for event in spec.events:
        if isinstance(event, Remove):
            tracks.append(VisibilityTrack(body=event.body, visible=times_s < event.time_s))
    touch = Contact(
        a=0,
        b=1,
        first_s=0.0,
        last_s=1.0,
        impulse_ns=2.9,
        peak_force_n=3.0,
        depth_m=0.0001,
        point_m=(0.0, 0.0, 0.0),
    )
    return Rollout(
        spec=spec,
        times_s=times_s,
        tracks=tuple(tracks),
        contacts=(touch,) * contacts,
        start_index=0,
        end_index=4,
        kinetic_j=np.zeros(5),
        potential_j=np.ones(5),
        penetration_m=np.zeros(5),
        work_j=0.02,
        truth=(Truth(name="impulse", value=0.1, unit="N s", provenance="prescribed"),),
    )


def nudge_sample(
    planned: SampleId,
    *,
    bodies: int = 2,
    contacts: int = 1,
    events: bool = True,
    depth: bool = False,
    seed: int = 7,
    fingerprint: str = "0123456789abcdef",
    rollout: Rollout | None = None,
    gates: tuple[Gate, ...] = (Gate(name="at_rest", value=0.0, limit="<= 0.02 m/s", passed=True),),
) -> Sample:
    """A sample with a record made from a spec and a rollout, and pictures in which one square moves."""
    spec = nudge_spec(bodies=bodies, events=events, index=planned.index, split=planned.split)
    rng = np.random.default_rng([seed, planned.index])
    start = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    end = start.copy()
    start_seg, end_seg, mask = (np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(3))
    start_seg[8:24, 4:20] = end_seg[8:24, 24:40] = 1
    for body in spec.bodies[1:]:
        start_seg[36:40, 2 * body.id] = end_seg[36:40, 2 * body.id] = body.id
    mask[28:32, 4:40] = 85
    mask[36:40, 4:8] = 170
    mask[8:24, 4:40] = 255
    for event in spec.events:
        if isinstance(event, Remove):
            mask[start_seg == event.body] = 170
            end_seg[end_seg == event.body] = 0
    end[mask > 0] = 255 - end[mask > 0]
    camera = spec.camera if isinstance(spec.camera, Camera) else Camera(position_m=(1, 1, 1), look_at_m=(0, 0, 0))
    record = make_record(
        RecordSource(
            identity=Identity(
                key=planned.key,
                scene=planned.scene,
                split=planned.split,
                seed=seed,
                index=planned.index,
                family=planned.family,
                member=planned.member,
                attempt=planned.index % 2,
                fingerprint=fingerprint,
                simgen_version="0.1.0",
            ),
            scene=Nudge(),
            rollout=rollout or nudge_rollout(spec, contacts=contacts),
            camera=camera,
            width=WIDTH,
            height=HEIGHT,
            instructions=Instructions(
                superficial="Push the white mug.",
                intermediate="Push the white mug – it slides 10 cm to the right.",
                explicit="Push the white mug: it slides 10 cm to the right and stands there.",
            ),
            claims=[{"claim": "actor slid", "value": 0.1}] if events else [],
            gates=gates,
            catalog=StandInCatalog(),
        )
    )
    arrays: dict[str, Any] = {}
    if depth:
        arrays = {f"{when}_depth": rng.random((HEIGHT, WIDTH), dtype=np.float32) for when in ("start", "end")}
        arrays["start_depth"][0, 0] = np.inf
    return Sample(
        key=planned.key,
        start=start,
        end=end,
        start_seg=start_seg,
        end_seg=end_seg,
        mask=mask,
        record=record,
        arrays=arrays,
    )


def nudge_plan(n: int, *, shard_size: int = 4, passes: tuple[Any, ...] = ()) -> Plan:
    """A plan of two scenes that share the same hand-made samples."""
    recipe = Recipe(
        name="hand-made",
        scenes=(
            SceneChoice(name="nudge", weight=1.0, parameters={}),
            SceneChoice(name="nudge_hard", weight=1.0, parameters={"strength": [2.0, 3.0]}),
        ),
        render=Render(width=WIDTH, height=HEIGHT, passes=passes),
    )
    return make_plan(recipe, n=n, seed=7, shard_size=shard_size)


def nudge_entries(plan: Plan, samples: Iterable[SampleId], *, holes: Iterable[int] = (), **options: Any) -> list[Entry]:
    """What a worker would hand to a shard: samples of all kinds, every other one after a reject; some holes."""
    entries = []
    for planned in samples:
        rejects = (Reject(gate="at_rest", reason="at_rest is 0.3, wanted <= 0.02 m/s"),) * (planned.index % 2)
        cost = {"simulate": 0.5, "render": 3.0}
        if planned.index in holes:
            entries.append(
                Entry(planned=planned, failure="timeout", reason="took too long", rejects=rejects, cost=cost)
            )
            continue
        sample = nudge_sample(
            planned,
            # The first samples have no contact and no event: what is empty there must not fix a type.
            bodies=1 + planned.index % 5,
            contacts=planned.index % 3,
            events=planned.index % 4 != 0,
            fingerprint=plan.recipe.fingerprint,
            depth="depth" in plan.recipe.render.passes,
            **options,
        )
        entries.append(sample_entry(planned, sample, rejects=rejects, cost=cost))
    return entries


def write_nudges(folder: Any, plan: Plan, *, holes: Iterable[int] = ()) -> Any:
    """A whole data set of hand-made samples."""
    write_file(folder / RESOLVED, plan.to_yaml().encode())
    update_checksums(folder, RESOLVED)
    for shard in plan.shards:
        entries = nudge_entries(plan, shard.samples, holes=holes)
        write_shard(folder, shard, entries, fingerprint=plan.fingerprint, machine={"host": "here"})
    return folder


@pytest.fixture
def catalog() -> StandInCatalog:
    return StandInCatalog()


@pytest.fixture
def make_spec() -> Callable[..., SceneSpec]:
    """`make_spec(bodies=2, events=True, index=0)`: a spec with assets, a box, every kind of event."""
    return nudge_spec


@pytest.fixture
def make_rollout() -> Callable[..., Rollout]:
    """`make_rollout(spec, contacts=1)`: five instants in which the actor moves 10 cm along x."""
    return nudge_rollout


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    """`make_sample(index=0, bodies=2, contacts=1, events=True, depth=False, split="train")`: a whole small sample."""

    def make(index: int = 0, *, split: Any = "train", **options: Any) -> Sample:
        planned = SampleId(index=index, key=f"nudge-{index:06d}", scene="nudge", split=split)
        return nudge_sample(planned, **options)

    return make


@pytest.fixture
def make_dataset() -> Callable[..., Path]:
    """`make_dataset(folder, n=12, shard_size=4, holes=(), passes=())`: a committed data set; returns its folder."""

    def make(folder: Any, *, n: int = 12, shard_size: int = 4, holes: Iterable[int] = (), passes: Any = ()) -> Any:
        return write_nudges(folder, nudge_plan(n, shard_size=shard_size, passes=passes), holes=holes)

    return make


@pytest.fixture
def finish_dataset() -> Callable[..., None]:
    """`finish_dataset(folder, plan, holes=(), accept_code=False)`: makes all that is missing, as a run does."""
    from simgen.dataset.card import write_card
    from simgen.run.folder import open_folder, unmade
    from simgen.run.quarantine import make_mark, set_aside

    def finish(folder: Any, plan: Plan, *, holes: Iterable[int] = (), accept_code: bool = False) -> None:
        with open_folder(folder, plan, sample_bytes=0, accept_code=accept_code):
            for name in unmade(plan, folder):
                shard = plan.shard(*name)
                for sample in (sample for sample in shard.samples if sample.index in holes):
                    set_aside(folder, make_mark(folder, sample, "timeout", "took too long"), "it hung here\n")
                write_shard(
                    folder,
                    shard,
                    nudge_entries(plan, shard.samples, holes=holes),
                    fingerprint=plan.fingerprint,
                    machine={"host": "here"},
                )
            write_card(folder, command="simgen generate --n 12")

    return finish


class Guard:
    """A server of a folder that answers only who comes with a user, a password and the token of the day."""

    def __init__(self, folder: Path) -> None:
        self.token = "s3cret/t0k+en"
        self.asked: list[tuple[str, bool]] = []
        guard = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def allowed(self) -> bool:
                place = urllib.parse.urlsplit(self.path)
                token = urllib.parse.parse_qs(place.query).get("token", [""])[0].replace(" ", "+")
                user = base64.b64encode(b"ann:pa55w0rd").decode()
                allowed = token == guard.token and self.headers.get("Authorization") == f"Basic {user}"
                guard.asked.append((place.path, allowed))
                if not allowed:
                    self.send_error(403)
                return allowed

            def do_GET(self) -> None:
                if self.allowed():
                    super().do_GET()

            def do_HEAD(self) -> None:
                if self.allowed():
                    super().do_HEAD()

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def address(self, name: str, token: str | None = None) -> str:
        quoted = urllib.parse.quote(token or self.token, safe="")
        return f"http://ann:pa55w0rd@{self.host}/{name}?token={quoted}"


@pytest.fixture
def guard() -> Iterator[Callable[[Path], Guard]]:
    """`guard(folder)` serves a folder to those who know the secrets, until the test is over."""
    running: list[Guard] = []

    def serve(folder: Path) -> Guard:
        running.append(Guard(folder))
        return running[-1]

    yield serve
    for one in running:
        one.server.shutdown()
        one.server.server_close()


class StoreServer:
    """moto's S3 behind one door, which counts requests and can fail a seeded share of them."""

    bucket = "shelf"

    def __init__(self) -> None:
        # Not on top: only these tests need it, and it takes a second.
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, *arguments: object) -> None:
                pass

        self._inner = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.failed = 0
        self.fail(0.0)
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            # Nobody's own settings.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def fail(self, share: float, *, status: str = "500 Internal Server Error", seed: int = 0) -> None:
        """From now on answer so to a share of the requests. Half of those that fail have been carried out all the
        same, as when only the answer is lost. `refused` is what a request fails that has it in its query."""
        self._share, self._status, self._chance = share, status, random.Random(seed)
        self.refused = ""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._lock:
            self.requests[environ["REQUEST_METHOD"]] += 1
            fails, done = self._chance.random() < self._share, self._chance.random() < 0.5
            self.failed += fails
        if self.refused and self.refused in environ.get("QUERY_STRING", ""):
            fails, done = True, False
        if not fails:
            return self._inner(environ, start_response)
        if done and self._status.startswith("5"):
            # Read to its end, or nothing has happened.
            b"".join(self._inner(environ, lambda *answer: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(self._status, [("Content-Length", "0")])
        return [b""]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()


PLOP = '''
from dataclasses import dataclass
from simgen.scene.draw import Draw
from simgen.scene.registry import Phrases, Scene, register
from simgen.core.spec import Release, SceneSpec

@register("plop")
@dataclass(frozen=True, kw_only=True)
class Plop(Scene):
    """Something falls a hand's breadth."""
    law, types, claims = "gravity", (21,), ("actor fell",)
    phrases = Phrases(superficial=("Let {actor} fall.",), intermediate=("Drop {actor}.",), explicit=("{actor} falls.",))
    def sample(self, draw: Draw) -> SceneSpec:
        body = draw.body(draw.object(size_m=(0.05, 0.3)), 1, role="actor", on_m=0.15)
        return draw.spec(self.name, [body], camera=draw.view(), events=(Release(time_s=0.0, body=1),))
'''


@pytest.fixture
def plop(tmp_path: Path) -> Path:
    """A folder of scenes with one of a dozen lines in it, called `plop`."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "plop.py").write_text(PLOP)
    return folder


@pytest.fixture(scope="session")
def _store_server() -> Iterator[StoreServer]:
    server = StoreServer()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        as_path(f"s3://{server.bucket}/x").request("made", lambda fs: fs.mkdir(server.bucket))
        yield server
    server.close()


@pytest.fixture
def store_server(_store_server: StoreServer) -> Iterator[StoreServer]:
    """A real S3 server on the loopback, and the environment to reach it in; sound at the beginning of every test."""
    _store_server.fail(0.0)
    _store_server.requests.clear()
    _store_server.failed = 0
    yield _store_server
    _store_server.fail(0.0)


@pytest.fixture
def shelf(store_server: StoreServer, request: pytest.FixtureRequest) -> RemotePath:
    """An address of its own for every test."""
    there = as_path(f"s3://{store_server.bucket}/{re.sub(r'[^a-z0-9]+', '-', request.node.name)}")
    assert isinstance(there, RemotePath)
    return there
