#!/bin/sh
# Looks at the machine before `make` installs anything, then makes .venv or mends it.
#
#   docker/prepare.sh PYTHON FOLDER
#
# PYTHON is a Python 3.11, FOLDER the virtual environment. All Debian packages that are missing are named in one line.
set -eu
python=${1:-} venv=$2

# What Blender loads, and the Debian package that has it.
libraries='libX11.so.6:libx11-6 libXi.so.6:libxi6 libXfixes.so.3:libxfixes3 libXrender.so.1:libxrender1
  libxkbcommon.so.0:libxkbcommon0 libSM.so.6:libsm6 libGL.so.1:libgl1'

fail() {
  echo "simgen: $*" >&2
  exit 2
}

if [ -z "$python" ]; then
  grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release ||
    fail "Python 3.11 is missing; install it, then run: make PYTHON=/path/to/python3.11"
  missing='python3 python3.11-venv'
else
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || fail "$python is not a Python that runs"
  [ "$version" = 3.11 ] ||
    fail "needs Python 3.11, because Blender 4.5 exists for no other; $python is Python $version." \
      "Install Python 3.11, then run: make PYTHON=/path/to/python3.11"
  missing=
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing=python3.11-venv
fi

if [ "$(uname -s)" = Linux ]; then
  for pair in $libraries; do
    if [ -z "$python" ] || ! "$python" -c "import ctypes; ctypes.CDLL('${pair%:*}')" 2>/dev/null; then
      missing="$missing ${pair#*:}"
    fi
  done
fi

if [ -n "$missing" ]; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo='sudo '
  if command -v apt-get >/dev/null; then
    echo "simgen: Debian packages are missing. Install them with the next line, then run make again:" >&2
    echo "${sudo}apt-get update && ${sudo}apt-get install --yes" $missing >&2
  else
    echo "simgen: system libraries are missing. Debian and Ubuntu have them in these packages:" $missing >&2
  fi
  exit 2
fi

# An installation that was broken off leaves a folder without pip, or without a Python that runs.
if [ -e "$venv" ]; then
  version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=none
  case $version in
    3.11) ;;
    none) echo "simgen: $venv is not complete; it is made again" >&2 ;;
    *) fail "$venv holds Python $version, and simgen needs 3.11; remove it, then run make again" ;;
  esac
  if [ "$version" = 3.11 ]; then
    if command -v uv >/dev/null || "$venv/bin/python" -c 'import pip' 2>/dev/null; then exit 0; fi
    echo "simgen: $venv has no pip; it is made again" >&2
  fi
fi
"$python" -m venv --clear "$venv"
