"""Files of a folder that is far away, copied into a cache: from a web server and an S3 server on the loopback."""

import functools
import http.server
import importlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from simgen.core.errors import EnvironmentProblem, OutputError
from simgen.storage.files import write_file
from simgen.storage.mirror import ListNames, list_urls, mirror, open_url, read_error
from simgen.storage.paths import RemotePath

FILES = {"train/0.tar": b"zero" * 500, "train/1.tar": b"one" * 500, "test/0.tar": b"", "train/0.json": b"{}"}


class Server:
    """Files of a folder over http; what is asked for is noted, and tars can break off or announce another size."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.breaks_off = self.announces_more = False
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if not (outer.breaks_off and self.path.endswith(".tar")):
                    return super().do_GET()
                whole = (folder / self.path.lstrip("/")).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(whole)))
                self.end_headers()
                self.wfile.write(whole[: len(whole) // 2])
                self.close_connection = True
                return None

            def do_HEAD(self) -> None:
                if not (outer.announces_more and self.path.endswith(".tar")):
                    return super().do_HEAD()
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                return None

            def log_message(self, *args: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def files_asked(self) -> Counter[str]:
        return Counter(path for path in self.asked if "." in path)

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / "served" / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "served" / "data" / name).write_bytes(content)
    return tmp_path / "served" / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    running = Server(data.parent)
    yield running
    running.stop()


def tars_of(folder: str) -> Callable[[ListNames], list[str]]:
    def choose(list_names: ListNames) -> list[str]:
        assert set(list_names("")) >= {"train", "test"}
        return [f"{folder}/{name}" for name in list_names(folder) if name.endswith(".tar")]

    return choose


TRAIN = tars_of("train")


def never(list_names: ListNames) -> list[str]:
    raise AssertionError("nothing is to be chosen any more")


@pytest.mark.network
def test_what_is_chosen_is_copied_with_its_folders_and_nothing_else(server: Server, tmp_path: Path) -> None:
    copies = mirror(f"{server.url}/data", TRAIN, cache=tmp_path / "cache", name="train")
    assert [path.relative_to(path.parents[1]).as_posix() for path in copies] == ["train/0.tar", "train/1.tar"]
    assert [path.read_bytes() for path in copies] == [FILES["train/0.tar"], FILES["train/1.tar"]]
    assert set(server.files_asked()) == {"/data/train/0.tar", "/data/train/1.tar"}


@pytest.mark.network
def test_a_complete_copy_never_asks_the_network_again(server: Server, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = [mirror(f"{server.url}/data", tars_of(name), cache=cache, name=name) for name in ("train", "test")]
    asked = len(server.asked)
    server.stop()
    again = [mirror(f"{server.url}/data/", never, cache=cache, name=name) for name in ("train", "test")]
    assert again == first and len(server.asked) == asked


@pytest.mark.network
def test_that_nothing_was_chosen_is_remembered_too(server: Server, tmp_path: Path) -> None:
    assert mirror(f"{server.url}/data", lambda list_names: [], cache=tmp_path / "cache", name="none") == ()
    server.stop()
    assert mirror(f"{server.url}/data", never, cache=tmp_path / "cache", name="none") == ()


@pytest.mark.network
def test_those_who_ask_at_once_copy_once(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        copy = functools.partial(mirror, f"{server.url}/data", TRAIN, cache=tmp_path / "cache", name="train")
        copies = list(pool.map(lambda _: copy(), range(4)))
    assert len(set(copies)) == 1 and set(server.files_asked().values()) == {1}


@pytest.mark.network
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 10)], ids=["gone", "cut off"])
def test_only_what_is_missing_is_copied_again(server: Server, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    copies = mirror(f"{server.url}/data", TRAIN, cache=tmp_path / "cache", name="train")
    damage(copies[1])
    server.asked.clear()
    assert mirror(f"{server.url}/data", TRAIN, cache=tmp_path / "cache", name="train") == copies
    assert copies[1].read_bytes() == FILES["train/1.tar"]
    assert set(server.files_asked()) == {"/data/train/1.tar"}


@pytest.mark.network
def test_a_copy_that_breaks_off_is_an_error_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.breaks_off = True
    with pytest.raises(OutputError, match=r"data/train/\d\.tar: cannot be read .*check the network"):
        mirror(f"{server.url}/data", TRAIN, cache=tmp_path / "cache", name="train")
    assert {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {".lock"}
    server.breaks_off = False
    assert len(mirror(f"{server.url}/data", TRAIN, cache=tmp_path / "cache", name="train")) == 2


@pytest.mark.network
def test_a_copy_of_another_size_than_announced_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.announces_more = True
    with pytest.raises(OutputError, match=r"\.tar: \d+ of 1000000 bytes came; run the same command again"):
        mirror(f"{server.url}/data", TRAIN, cache=tmp_path / "cache", name="train")
    assert {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {".lock"}


@pytest.mark.network
def test_what_is_not_there_is_one_sentence(server: Server, tmp_path: Path) -> None:
    copy = functools.partial(mirror, cache=tmp_path / "cache", name="train")
    with pytest.raises(OutputError, match=r"/nothing: nothing is there; check the address$"):
        copy(f"{server.url}/nothing", TRAIN)
    for name in ("train/9.tar", "9.tar", "../data/train/0.tar"):
        with pytest.raises(OutputError, match=rf"/data/{name}: nothing is there; check the address$"):
            copy(f"{server.url}/data/", lambda list_names, name=name: [name])
    server.stop()
    with pytest.raises(OutputError, match=r"/data: cannot be read .*check the network, or give the folder of a copy$"):
        copy(f"{server.url}/data", TRAIN)


@pytest.mark.network
def test_a_cache_that_cannot_be_written_is_one_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/.*: Not a directory; name a folder for copies in SIMGEN_CACHE"):
        mirror(f"{server.url}/data", TRAIN, cache=tmp_path / "file", name="train")


@pytest.mark.network
def test_what_is_chosen_can_be_read_in_place(server: Server, tmp_path: Path) -> None:
    urls = list_urls(f"{server.url}/data", TRAIN)
    assert urls == tuple(f"{server.url}/data/train/{number}.tar" for number in (0, 1))
    with open_url(urls[1]) as file:
        assert file.read() == FILES["train/1.tar"]
    (tmp_path / "here").write_bytes(b"local")
    with open_url(str(tmp_path / "here")) as file:
        assert file.read() == b"local"


@pytest.mark.network
def test_an_object_store_is_copied_like_a_web_server(shelf: RemotePath, tmp_path: Path) -> None:
    for name, content in FILES.items():
        write_file(shelf / name, content)
    copies = mirror(str(shelf), TRAIN, cache=tmp_path / "cache", name="train")
    assert [path.read_bytes() for path in copies] == [FILES["train/0.tar"], FILES["train/1.tar"]]


def test_a_store_whose_library_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = {"class": "not_installed.S3FileSystem", "err": "Install s3fs to access S3"}
    # On the package the name of the module is that of its table.
    registry = importlib.import_module("fsspec.registry")
    monkeypatch.setitem(registry.known_implementations, "s3", missing)
    monkeypatch.delitem(registry._registry, "s3", raising=False)
    with pytest.raises(EnvironmentProblem, match=r"pip install -e '\.\[s3\]'"):
        mirror("s3://bucket/data", TRAIN, cache=tmp_path, name="train")
    with pytest.raises(OutputError, match="htp://host/data: cannot be read"):
        list_urls("htp://host/data", TRAIN)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device"), "X: no room for a copy; free some space, or name another folder in"),
        (FileNotFoundError(), "X: nothing is there; check the address"),
        (PermissionError(), "X: access is refused; log in there, or give the folder of a copy"),
        (ValueError("bad"), r"X: cannot be read \(ValueError: bad\); check the network, or give the folder of a copy"),
    ],
)
def test_what_a_store_raises_becomes_one_sentence(error: Any, sentence: str) -> None:
    with pytest.raises(OutputError, match=f"^{sentence}"):
        raise read_error("X", error)


@pytest.mark.network
def test_a_data_set_that_asks_for_a_token_is_copied_and_the_token_is_not_kept(
    data: Path, tmp_path: Path, guard: Callable[[Path], Any]
) -> None:
    served = guard(data.parent)
    address = served.address("data")
    copies = mirror(address, TRAIN, cache=tmp_path / "cache", name="train")
    assert [copy.read_bytes() for copy in copies] == [FILES["train/0.tar"], FILES["train/1.tar"]]
    # With another token it is the same copy, and nothing is asked.
    before = len(served.asked)
    assert mirror(served.address("data", "n3w"), never, cache=tmp_path / "cache", name="train") == copies
    assert len(served.asked) == before and all(allowed for _, allowed in served.asked)
    urls = list_urls(address, TRAIN)
    assert urls == (f"http://{served.host}/data/train/0.tar", f"http://{served.host}/data/train/1.tar")
    with open_url(urls[0]) as file:
        assert file.read() == FILES["train/0.tar"]
    with pytest.raises(OutputError, match="access is refused") as caught:
        list_urls(served.address("data", "wr0ng1"), TRAIN)
    assert "pa55" not in str(caught.value) and "wr0ng1" not in str(caught.value)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if b"s3cret" in path.read_bytes() or b"pa55" in path.read_bytes()]
