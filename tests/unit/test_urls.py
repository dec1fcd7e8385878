"""Addresses without their secrets: what is kept and shown, and what a request is sent with."""

import pytest

from simgen.core.errors import UsageError
from simgen.storage import urls
from simgen.storage.paths import as_path
from simgen.storage.urls import admit, admit_beside, http_request, join, parent, scrub, with_secrets, without_secrets

SIGNED = "X-Amz-Algorithm=AWS4&X-Amz-Credential=AKIA%2F1&X-Amz-Security-Token=t0k&X-Amz-Expires=9&X-Amz-Signature=ff"


@pytest.fixture(autouse=True)
def nothing_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "_admitted", {})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://ann:pa55@host/a.json", "https://host/a.json"),
        ("https://t0ken@host:8080/a.json", "https://host:8080/a.json"),
        ("https://ann:p%40ss@[::1]/a.json", "https://[::1]/a.json"),
        ("https://ann:pa/ss@host/a.json", "https://host/a.json"),
        ("s3://KEY:SECRET@bucket/a.json", "s3://bucket/a.json"),
        ("simplecache::https://ann:pa55@host/a", "simplecache::https://host/a"),
        ("https://host/a.json?token=abc", "https://host/a.json"),
        ("https://host/a.json?raw=1&Access_Token=abc&ref=main", "https://host/a.json?raw=1&ref=main"),
        ("https://host/a.json?api-key=abc;raw=1", "https://host/a.json?raw=1"),
        ("https://host/a.json?key=abc", "https://host/a.json"),
        ("https://host/a.json?password=abc#part", "https://host/a.json#part"),
        ("https://host/a.json?x=eyJhbGciOi.e.f", "https://host/a.json"),
        ("https://host/a.json#access_token=abc", "https://host/a.json"),
        (f"https://b.s3.amazonaws.com/a.json?{SIGNED}&versionId=3", "https://b.s3.amazonaws.com/a.json?versionId=3"),
        ("https://b.s3/a?AWSAccessKeyId=A&Expires=9&Signature=s%3D", "https://b.s3/a"),
        ("https://storage.googleapis.com/b/a?GoogleAccessId=x%40y&Expires=9&Signature=s", "https://storage.googleapis.com/b/a"),
        ("https://storage.googleapis.com/b/a?X-Goog-Signature=s&X-Goog-Date=d", "https://storage.googleapis.com/b/a"),
        ("https://n.blob.core.windows.net/c/a?sv=2022&st=1&se=2&sr=b&sp=r&sig=s%2F", "https://n.blob.core.windows.net/c/a"),
        ("https://host/get?url=https%3A%2F%2Fann:pa55@other%2Fx", "https://host/get?url=https%3A%2F%2Fother%2Fx"),
    ],
)  # fmt: skip
def test_what_is_secret_is_not_kept_and_comes_back_for_a_request(given: str, kept: str) -> None:
    assert without_secrets(given) == kept
    assert without_secrets(kept) == kept
    assert admit(given) == kept and with_secrets(kept) == given


@pytest.mark.parametrize(
    "address",
    [
        "gs://kubric-public/assets/GSO/GSO.json",
        "https://host:8080/a%20b.json?raw=1&versionId=3/L4&st=x&expires=1#part",
        "https://registry/@scope/a.json",
        "https://host/a.json?q=x@y",
        "abfss://container@account.dfs.core.windows.net/a.json",
        "hf://datasets/ORG/NAME",
        "/home/ann/a.json?token=1",
        "file:///home/ann/a.json?token=1",
        "gso",
    ],
)
def test_an_address_without_secrets_stays_as_it_is(address: str) -> None:
    assert without_secrets(address) == address and scrub(f"see {address}, please") in (
        f"see {address}, please",
        f"see {without_secrets(address).partition('?token')[0]}?token=… please",
    )


def test_what_a_manifest_names_on_its_server_is_asked_for_as_the_manifest_was() -> None:
    manifest = admit("https://ann:pa55@host/d/M.json?token=a/b&raw=1")
    labels = admit_beside(urls.with_suffix(manifest, ".labels.yaml", instead_of=".json"), manifest)
    assert labels == "https://host/d/M.labels.yaml?raw=1"
    assert with_secrets(labels) == "https://ann:pa55@host/d/M.labels.yaml?raw=1&token=a/b"
    archive = admit_beside(join(parent(manifest), "files/mug.tar.gz"), manifest)
    assert archive == "https://host/d/files/mug.tar.gz"
    assert with_secrets(archive) == "https://ann:pa55@host/d/files/mug.tar.gz?token=a/b"
    # Another server gets nothing of it, nor another port.
    for other in ("https://other/mug.tar.gz", "https://host:8443/mug.tar.gz", "http://host/mug.tar.gz"):
        assert with_secrets(admit_beside(other, manifest)) == other
    assert http_request(manifest)[0] == "https://host/d/M.json"


def test_a_worker_asks_with_what_its_driver_has_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = admit("https://ann:pa55@host/M.json")
    known = urls.admitted()
    monkeypatch.setattr(urls, "_admitted", {})
    assert with_secrets(kept) == kept
    urls.remember(known)
    assert with_secrets(kept) == "https://ann:pa55@host/M.json"


def test_no_form_in_which_a_library_prints_a_secret_is_left_in_a_text() -> None:
    admit("https://ann:pa55w0rd@host/M.json?token=s3cret%2Ftok")
    text = scrub(
        "401, url='https://ann:pa55w0rd@host/M.json?token=s3cret/tok': failed for /M.json?token=s3cret%2Ftok (pa55w0rd)"
        " after a redirect to https://b.s3/x?X-Amz-Signature=c0ffee, cut https://bob:0pen…"
    )
    assert not [secret for secret in ("pa55w0rd", "s3cret", "c0ffee", "0pen") if secret in text], text
    assert "https://host/M.json" in text and "https://b.s3/x" in text and "https://bob:…" in text


def test_a_store_is_not_given_a_password_in_its_address() -> None:
    with pytest.raises(UsageError, match="holds no user and password") as caught:
        as_path("s3://ann:pa55@bucket/all")
    assert "pa55" not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        as_path("https://ann:pa55@host/all?token=s3cret")
    assert "pa55" not in str(caught.value) and "s3cret" not in str(caught.value)
