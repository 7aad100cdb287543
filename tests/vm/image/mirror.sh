#!/bin/bash
# mirror.sh: the Debian mirror that this machine's apt uses, or the one of MIRROR.
set -u
[ -n "${MIRROR:-}" ] && { echo "$MIRROR"; exit 0; }
found=$({ sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources
  sed -n 's/^deb *\(\[[^]]*\]\)\? *\([^ ]*\) .*/\2/p' /etc/apt/sources.list; } 2>/dev/null |
  tr ' ' '\n' | grep '/debian/*$' | head -1)
echo "${found:-http://deb.debian.org/debian}"
