"""Addresses in manifests: text that names a file or folder on this machine or behind a URL.

An address may hold a password, a token or a signature. `without_secrets` is the address that may be kept and shown, and
the only one that recipes, caches, records and messages know. `admit` gives that and remembers, in this process, what
was taken out; `with_secrets` puts it back where a request is sent. A worker gets the memory of its driver.
"""

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

_admitted: dict[str, str] = {}
"""Address without secrets → as it was given. Held by the process and written nowhere."""

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*"
_PARTS = re.compile(rf"((?:{_SCHEME}::)*{_SCHEME}://)([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.S)
_URL = re.compile(rf"{_SCHEME}://[^\s'\"<>`]+")
"""In a text."""
_PARAMETER = re.compile(r"([?&;])([\w.%\[\]-]+)=[^\s&;'\"<>`]+")
_CUT_PASSWORD = re.compile(r"^(\w[\w+.-]*://(?!\[)[^/?#@:]*:)(?!\d*(?:[/?#]|$))[^/?#]*")
_CONTAINER_SCHEMES = ("abfs", "abfss", "wasb", "wasbs")
"""Of Azure, where what stands before the @ is the name of a container."""
_SECRET_NAMES = frozenset(
    ("sig", "sign", "signature", "key", "apikey", "auth", "authorization", "jwt", "sas", "pass", "pwd", "pw", "policy",
     "keypairid", "awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "sid", "session", "sessionid")
)  # fmt: skip
_SECRET_WORDS = (
    *("token", "secret", "passw", "passphrase", "signature", "credential", "apikey", "accesskey", "privatekey"),
    *("sharedkey", "subscriptionkey", "authkey", "bearer"),
)
_SIGNED_PREFIXES = ("xamz", "xgoog", "xoss", "xcos", "qsign", "qak", "qkey", "qheader", "qurlparam")
"""Of signed addresses: they hold who asks and until when, and change with every signature."""
_BESIDE_A_SIGNATURE = frozenset(
    ("expires", "expiry", "exp", "md5", "st", "se", "sp", "sr", "sv", "ss", "srt", "spr", "sip", "si", "skoid", "sktid",
     "skt", "ske", "sks", "skv", "sdd", "saoid", "suoid", "scid", "xid")
)  # fmt: skip
"""Of no meaning without the signature beside them."""


def is_remote(address: str) -> bool:
    """Whether an address is a URL of another machine."""
    return "://" in address and not address.startswith("file://")


def without_secrets(address: str) -> str:
    """The address without user and password, and without the parameters that are secret or sign it; an address that has
    none comes back as it is."""
    parts = _PARTS.match(address)
    if parts is None or not is_remote(address):
        return address
    scheme, authority, path, query, fragment = (part or "" for part in parts.groups())
    host, found = authority.rpartition("@")[2], "@" in authority
    if not found and re.search(r":(?!\d*$)", re.sub(r"\[[^\]]*\]", "", host)) and "@" in path + query + fragment:
        # A password with a slash in it, which no program reads rightly.
        return without_secrets(scheme + (path + query + fragment).rpartition("@")[2])
    if scheme.removesuffix("://").rpartition("::")[2].lower() in _CONTAINER_SCHEMES and ":" not in authority:
        host = authority
    return scheme + host + path + _public_query(query) + _public_query(fragment)


def scrub(text: str) -> str:
    """A text with the secrets of every address in it taken out."""
    for public, given in sorted(_admitted.items(), key=lambda item: -len(item[1])):
        text = text.replace(given, public)
    for value in sorted({v for given in _admitted.values() for v in _secret_values(given)}, key=len, reverse=True):
        text = text.replace(value, "…")
    return _PARAMETER.sub(_hidden_parameter, _URL.sub(_public_match, text))


def _public_match(found: re.Match[str]) -> str:
    address = found[0].rstrip(").,;:]")
    public, rest = without_secrets(address), found[0][len(address) :]
    # The end of a long text may be cut off, and with it the @ after a password.
    return _CUT_PASSWORD.sub(r"\1…", public) + rest


def _hidden_parameter(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}=…" if _is_secret(_normal(found[2]), found[0]) else found[0]


def _secret_values(given: str) -> set[str]:
    """The secrets of an address by themselves, as some library may print them; short ones could be any word."""
    parts = _PARTS.match(given)
    assert parts is not None, "what is admitted is an address"
    found = [word for word in parts[2].rpartition("@")[0].split(":")]
    for parameter in re.split("[?&;#]", (parts[4] or "") + (parts[5] or "")):
        name, _, value = parameter.partition("=")
        found += [value] if _is_secret(_normal(name), parameter) else []
    return {word for value in found for word in (value, unquote_plus(value)) if len(word) >= 6}


def admit(address: str) -> str:
    """The address without its secrets, which this process remembers for its requests."""
    public = without_secrets(address)
    if public != address:
        _admitted[public] = address
    return public


def admit_beside(address: str, known: str) -> str:
    """The same for an address that was found at another, `known` one: on the same server it is asked for with what
    that one is asked for with."""
    public, given = admit(address), with_secrets(known)
    if public == address and given != known and _origin(public) == _origin(known):
        _admitted.setdefault(public, _with_secrets_of(public, given))
    return public


def with_secrets(address: str) -> str:
    """The address as it was given, for a request."""
    return _admitted.get(address, address)


def admitted() -> Mapping[str, str]:
    """What a worker has to know, for `remember`."""
    return dict(_admitted)


def remember(known: Mapping[str, str]) -> None:
    """Take over what another process has admitted."""
    _admitted.update(known)


def _public_query(query: str) -> str:
    """A query or a fragment, with its ? or #, without what is secret."""
    if not query:
        return ""
    parameters = re.split(r"([&;])", query[1:])
    names = [_normal(part.partition("=")[0]) for part in parameters[::2]]
    secret = [_is_secret(name, part) for name, part in zip(names, parameters[::2], strict=True)]
    if not any(secret):
        return query[0] + "".join(map(_public_value, parameters))
    kept = [
        _public_value(part)
        for name, part, hidden in zip(names, parameters[::2], secret, strict=True)
        if not hidden and name not in _BESIDE_A_SIGNATURE and part
    ]
    return query[0] + "&".join(kept) if kept else ""


def _is_secret(name: str, parameter: str) -> bool:
    return (
        name in _SECRET_NAMES
        or any(word in name for word in _SECRET_WORDS)
        or name.startswith(_SIGNED_PREFIXES)
        # A signed token of JSON, whatever it is called.
        or parameter.partition("=")[2].startswith("eyJ")
    )


def _public_value(parameter: str) -> str:
    """A parameter whose value may be an address itself."""
    name, equals, value = parameter.partition("=")
    plain = unquote_plus(value)
    if "://" not in plain or without_secrets(plain) == plain:
        return parameter
    return name + equals + quote(without_secrets(plain), safe="")


def _normal(name: str) -> str:
    return re.sub(r"[-_.\[\]]", "", unquote_plus(name).strip().lower())


def _origin(address: str) -> str:
    parts = _PARTS.match(address)
    return "" if parts is None else (parts[1] + parts[2].rpartition("@")[2]).lower()


def _with_secrets_of(address: str, given: str) -> str:
    """An address of the same server with the user and the secret parameters of another."""
    ours, theirs = _PARTS.match(address), _PARTS.match(given)
    assert ours is not None and theirs is not None, "both are addresses"
    user, at, _ = theirs[2].rpartition("@")
    public = {part for part in re.split("[&;]", _public_query(theirs[4] or "")[1:])}
    secret = [part for part in re.split("[&;]", (theirs[4] or "")[1:]) if part and part not in public]
    query = "&".join([*([ours[4][1:]] if ours[4] else []), *secret])
    return ours[1] + user + at + ours[2] + ours[3] + (f"?{query}" if query else "")


def http_request(address: str) -> tuple[str, dict[str, Any]]:
    """A web address without query and user, and both as options of fsspec for whatever lies below it."""
    parts = _PARTS.match(with_secrets(address))
    assert parts is not None, "a web address has a scheme"
    user, at, host = parts[2].rpartition("@")
    options: dict[str, Any] = {}
    if at:
        options["headers"] = {"Authorization": "Basic " + base64.b64encode(unquote(user).encode()).decode()}
    if parts[4]:
        options["params"] = parse_qsl(parts[4][1:], keep_blank_values=True)
    return parts[1] + host + parts[3], options


def with_suffix(address: str, suffix: str, *, instead_of: str = "") -> str:
    """The address of a file beside: `suffix` at the end of the path, before any query, in place of `instead_of`."""
    if not is_remote(address):
        return address.removesuffix(instead_of) + suffix
    parts = _PARTS.match(address)
    assert parts is not None, "a remote address has a scheme"
    return parts[1] + parts[2] + parts[3].removesuffix(instead_of) + suffix + (parts[4] or "")


def local_path(address: str) -> Path:
    """The path that a local address names, absolute."""
    return _expanded(address.removeprefix("file://")).absolute()


def _expanded(name: str) -> Path:
    """With ~ filled in, unless it is that of a user whom nobody knows."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def is_file(path: Path) -> bool:
    """Whether a file is there; False also for a name that no disk can hold."""
    try:
        return path.is_file()
    except OSError:
        return False


def name_of(address: str) -> str:
    """The last name in an address, without a query."""
    return _path_only(address).rstrip("/").rsplit("/", 1)[-1] if is_remote(address) else local_path(address).name


def parent(address: str) -> str:
    """The address of the folder that holds a file."""
    return _path_only(address).rsplit("/", 1)[0] if is_remote(address) else str(local_path(address).parent)


def _path_only(address: str) -> str:
    parts = _PARTS.match(address)
    return address if parts is None else parts[1] + parts[2] + parts[3]


def join(folder: str, name: str) -> str:
    """The address of `name` in `folder`; an absolute path or a URL stands for itself."""
    if "://" in name:
        return name
    if not is_remote(folder):
        return os.path.normpath(local_path(folder) / _expanded(name))
    scheme, rest = _path_only(folder).split("://", 1)
    return scheme + "://" + os.path.normpath(f"{rest}/{name}") if name not in ("", ".") else folder.rstrip("/")
