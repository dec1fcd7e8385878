#!/usr/bin/env bash
# Both `make` commands of the README on a fresh Debian 12; then both images, built without a daemon and run without a
# network: `make image-check`, as root on Debian.
#
# PARTS     "fresh images"; one of them alone
# FRESH     "demo test", what make is asked for on the fresh Debian
# BASE      image to build on; without it a bookworm made by debootstrap stands in for Debian's
# OUT       where the samples and the run of the check are put
# SIMGEN    makes the samples again outside the image, if it is there (.venv/bin/simgen)
# TMPDIR    needs 20 GB; STORAGE_DRIVER=overlay, where it is to be had, copies less than vfs
# PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, PIP_CERT, http_proxy, ... reach the build and not the image
set -euo pipefail
cd "$(dirname "$0")/.."

OUT=$(realpath -m "${OUT:-out/image}")
PARTS=${PARTS:-fresh images}
tools='debootstrap unshare git'
if [[ $PARTS == *images* ]]; then tools+=' buildah ip'; fi
for tool in $tools; do
  command -v $tool >/dev/null || { echo "$tool is missing: apt-get install buildah debootstrap git iproute2"; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "needs root: it makes a root file system and cuts the network"; exit 2; }

export TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/simgen-image-XXXXXX")
export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} BUILDAH_ISOLATION=chroot REGISTRIES_CONFIG_PATH=/dev/null
buildah() {
  command buildah --root "$TMPDIR/store" --runroot "$TMPDIR/run" --storage-driver "$STORAGE_DRIVER" "$@"
}
clean() {
  if [[ $PARTS == *images* ]]; then buildah rm --all >/dev/null 2>&1 || true; fi
  rm -rf --one-file-system "$TMPDIR"
}
trap clean EXIT

say() { printf '\n%s  %s\n' "$(date +%T)" "$*"; }

bootstrap() {
  debootstrap --variant=minbase "$@" >"$TMPDIR/debootstrap.log" || { tail "$TMPDIR/debootstrap.log"; exit 1; }
}

# In the fresh Debian, with what pip is told here and nothing else of this environment. The mounts end with the command.
in_fresh() {
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    root=$1
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o size=4g tmpfs "$root/dev/shm"
    for place in ${PIP_FIND_LINKS:-}; do
      if [ -d "$place" ]; then mkdir -p "$root$place"; mount --bind -o ro "$place" "$root$place"; fi
    done
    certificates=
    if [ -n "${PIP_CERT:-}" ]; then certificates="PIP_CERT=/etc/ca.pem SSL_CERT_FILE=/etc/ca.pem REQUESTS_CA_BUNDLE=/etc/ca.pem"; fi
    mapfile -t told < <(env | grep -E "^(PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|DEFAULT_TIMEOUT)|UV_(INDEX|DEFAULT_INDEX|HTTP_TIMEOUT)|https?_proxy|no_proxy)=")
    exec chroot "$root" /usr/bin/env -i HOME=/root USER=root LANG=C.UTF-8 \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${told[@]}" $certificates \
      bash -c "cd /root/simgen && $2"' - "$TMPDIR/fresh" "$1"
}

if [[ $PARTS == *fresh* ]]; then
  say "fresh: bookworm by debootstrap"
  bootstrap --include=python3,make,git,ca-certificates bookworm "$TMPDIR/fresh"
  cp /etc/resolv.conf "$TMPDIR/fresh/etc/resolv.conf"
  if [ -n "${PIP_CERT:-}" ]; then cp "$PIP_CERT" "$TMPDIR/fresh/etc/ca.pem"; fi
  git clone --quiet . "$TMPDIR/fresh/root/simgen"
  say "fresh: make demo names all that is missing"
  if in_fresh "make demo" 2>"$TMPDIR/missing"; then echo "a bare Debian has nothing missing: that cannot be"; exit 1; fi
  line=$(grep -x 'apt-get update && apt-get install --yes .*' "$TMPDIR/missing") || { cat "$TMPDIR/missing"; exit 1; }
  echo "$line"
  in_fresh "{ $line; } >/tmp/apt.log 2>&1" || { tail "$TMPDIR/fresh/tmp/apt.log"; exit 1; }
  # A folder that an installation left behind half-made is mended.
  mkdir -p "$TMPDIR/fresh/root/simgen/.venv/bin"
  for target in ${FRESH:-demo test}; do
    say "fresh: make $target"
    SECONDS=0
    in_fresh "make $target"
    echo "make $target: $SECONDS s; $(du -sm "$TMPDIR/fresh" | cut -f1) MB in all"
  done
  in_fresh "source .venv/bin/activate && simgen --version"
  rm -rf --one-file-system "$TMPDIR/fresh"
fi
if [[ $PARTS != *images* ]]; then exit 0; fi

if [ -z "${BASE:-}" ]; then
  say "base: bookworm by debootstrap"
  bootstrap bookworm "$TMPDIR/bookworm"
  rm -rf "$TMPDIR"/bookworm/var/cache/apt/archives/*.deb "$TMPDIR"/bookworm/var/lib/apt/lists/*
  BASE=localhost/bookworm
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$TMPDIR/bookworm" / >/dev/null
  buildah commit --quiet --rm "$container" "$BASE" >/dev/null
  rm -rf "$TMPDIR/bookworm"
fi

# What pip is told here, told to the build as a secret, which no layer keeps.
folders=()
: >"$TMPDIR/ca"
{
  echo "[global]"
  if [ -n "${PIP_CERT:-}" ]; then cp "$PIP_CERT" "$TMPDIR/ca"; echo "cert = /run/secrets/ca"; fi
  if [ -n "${PIP_INDEX_URL:-}" ]; then echo "index-url = $PIP_INDEX_URL"; fi
  if [ -n "${PIP_EXTRA_INDEX_URL:-}" ]; then echo "extra-index-url = $PIP_EXTRA_INDEX_URL"; fi
  if [ -n "${PIP_FIND_LINKS:-}" ]; then echo "find-links = $PIP_FIND_LINKS"; fi
} >"$TMPDIR/pip.conf"
for place in ${PIP_FIND_LINKS:-}; do
  if [ -d "$place" ]; then folders+=(--volume "$place:$place:ro"); fi
done

build() {
  local name=$1
  shift
  say "build: $name"
  buildah bud --quiet --format docker --build-arg BASE="$BASE" "$@" "${folders[@]}" \
    --secret id=pip,src="$TMPDIR/pip.conf" --secret id=ca,src="$TMPDIR/ca" \
    --file "docker/$name.Dockerfile" --tag "localhost/simgen-$name" . >/dev/null
  buildah inspect --type image --format '{{.OCIv1.Config.User}}' "localhost/simgen-$name" | grep -qx 1000:1000
}

# As the image's own user, in a network that has nothing but its own loopback.
inside() {
  local container=$1
  shift
  export -f buildah
  unshare --net bash -c 'ip link set lo up && buildah run "$@"' - --volume "$OUT:/data" "$container" -- "$@"
}

prove() {
  inside "$1" python3 -c '
import os, socket
assert os.getuid() == 1000, os.getuid()
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    assert error.errno == 101, error  # ENETUNREACH
else:
    raise SystemExit("there is a network")
print(f"uid {os.getuid()}, gid {os.getgid()}; network unreachable")'
}

rm -rf "$OUT"
install --directory --owner 1000 --group 1000 "$OUT"

build render
render=$(buildah from localhost/simgen-render)
say "run: render"
prove "$render"
inside "$render" simgen doctor
inside "$render" simgen generate demo --n 2 --out samples --set render.width=128 --set render.height=128
inside "$render" simgen verify samples
buildah rm "$render" >/dev/null

build train --build-arg REQUIREMENTS=requirements-train-cpu.txt
train=$(buildah from localhost/simgen-train)
say "run: train"
prove "$train"
inside "$train" simgen doctor train
inside "$train" simgen train --data samples --base tiny:qwen --steps 3 --out run
test -s "$OUT/run/pytorch_lora_weights.safetensors"

say "images"
buildah images

# Members stand in a tar in a fixed order, so the first that differs is where the difference began.
if command -v "${SIMGEN:=.venv/bin/simgen}" >/dev/null; then
  say "the same samples outside the image"
  mkdir "$TMPDIR/out"
  "$SIMGEN" generate demo --n 2 --out "$TMPDIR/out/samples" --set render.width=128 --set render.height=128 >/dev/null
  cd "$OUT/samples"
  for tar in */*.tar; do
    if cmp --quiet "$tar" "$TMPDIR/out/samples/$tar"; then echo "$tar: the same bytes"; continue; fi
    for member in $(tar --list --file "$tar"); do
      cmp --quiet <(tar -xOf "$tar" "$member") <(tar -xOf "$TMPDIR/out/samples/$tar" "$member") ||
        { echo "$tar: $member differs first"; break; }
    done
  done
fi
say "done"
