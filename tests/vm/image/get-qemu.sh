#!/bin/bash
# get-qemu.sh DIR: unpack (not install) QEMU 7.2 and qemu-img of Debian 12 into DIR, with the wrappers DIR/qemu and
# DIR/qemu-img.
#
# Unpacked, because a host may carry another qemu-utils that apt would remove. This version, because under
# multi-threaded emulation without KVM QEMU 10.0 lost an APIC timer in 20 to 50 % of boots (the guest hangs in an RCU
# stall), and 7.2 booted 60 times of 60.
set -euo pipefail
dir=$1
mirror=$("$(dirname "$0")/mirror.sh")
rm -rf "$dir"
mkdir -p "$(dirname "$dir")"
TMPDIR=${VM_TMP:-/dev/shm} mmdebstrap --quiet --variant=extract --format=directory \
  --include=qemu-system-x86,qemu-utils --aptopt='APT::Install-Recommends "false"' \
  --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' bookworm "$dir" \
  "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main"
[ -d "$dir/usr/lib64" ] || ln -s ../lib64 "$dir/usr/lib64"
wrap() { # name program arguments: the program with the libraries that it was unpacked with
  cat > "$dir/$1" <<W
#!/bin/bash
root=\$(cd "\$(dirname "\${BASH_SOURCE[0]}")" && pwd)
export QEMU_MODULE_DIR="\$root/usr/lib/x86_64-linux-gnu/qemu"
exec "\$root"/usr/lib64/ld-linux-x86-64.so.2 --library-path "\$root/usr/lib/x86_64-linux-gnu:\$root/lib/x86_64-linux-gnu" \\
  "\$root/usr/bin/$2" $3 "\$@"
W
  chmod +x "$dir/$1"
}
wrap qemu qemu-system-x86_64 '-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" -L "$root/usr/lib/ipxe/qemu"'
wrap qemu-img qemu-img ''
"$dir/qemu" --version | head -1
