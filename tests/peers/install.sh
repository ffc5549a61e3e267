#!/bin/sh
# Install the programs that the end-to-end tests talk to. Does nothing when they are there;
# without apt or the right to use it, says what is missing and leaves (those tests are then skipped).
missing=""
need() { # program, package
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need storescu dcmtk
need Orthanc orthanc
need dciodvfy dicom3tools
need redis-server redis-server
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "make peers: not installed:$missing; tests that need them are skipped" >&2
    exit 0
fi
if [ "$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else
    echo "make peers: install with: sudo apt-get install$missing; tests that need them are skipped" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# The distribution starts these services on install; the tests start their own on free ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null && $sudo chmod +x "$policy"
    trap '$sudo rm -f "$policy"' EXIT
fi
$sudo apt-get update -q -y && $sudo apt-get install -q -y --no-install-recommends $missing
