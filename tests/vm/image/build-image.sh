#!/bin/bash
# build-image.sh OUT: a bootable Debian guest with systemd as PID 1, from Debian packages only. Run as root. The host's
# /boot, /lib/modules and apt state stay as they are: the kernel package is downloaded and unpacked, not installed.
#
# Environment:
#   SUITE=bookworm     suite of the user space (bookworm, trixie)
#   KSUITE=$SUITE      suite of the kernel, such as bookworm-backports
#   SIZE=1400M         size of the file system (the file is sparse)
#   MIRROR=...         default: the mirror of the host's apt
#
# Needs mmdebstrap, e2fsprogs, xz-utils, zstd and acpica-tools. Leaves in OUT:
#   vmlinux     uncompressed ELF kernel; QEMU enters it through PVH, which spares the guest the decompressor
#   initrd.gz   busybox and the modules that the root file system needs (about 2 MB)
#   base.ext4   raw root file system: read only, behind a qcow2 overlay
#   *.aml       ACPI tables that give QEMU's CPUs P-states, C-states and CPPC
set -euo pipefail
trap 'echo "build-image.sh failed at line $LINENO" >&2' ERR
here=$(cd "$(dirname "$0")" && pwd)
out=$1
SUITE=${SUITE:-bookworm}
KSUITE=${KSUITE:-$SUITE}
SIZE=${SIZE:-1400M}
MIRROR=$("$here/mirror.sh")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$out"
# In memory: dpkg syncs a lot, and a disk doubles the time.
work=$(mktemp -d -p "${VM_TMP:-/dev/shm}" diapason-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
root=$work/root

# ---- 1. root file system --------------------------------------------------
inc=systemd,systemd-sysv,udev,dbus,kmod,procps,ethtool,iproute2,util-linux
inc=$inc,e2fsprogs,busybox-static,qemu-guest-agent,strace
# The rival: switched off below, started by the cases that compare.
inc=$inc,tuned
t0=$SECONDS
TMPDIR=$work mmdebstrap --quiet --variant=minbase --include="$inc" \
  --format=directory --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
  --aptopt='APT::Install-Recommends "false"' \
  "$SUITE" "$root" "deb [signed-by=$keyring] $MIRROR $SUITE main"
echo "rootfs: $((SECONDS-t0)) s, $(du -sm "$root" | cut -f1) MB"

# ---- 2. kernel: unpack, keep a closure of wanted modules --------------------
t0=$SECONDS
if [ ! -s "$out/kernel.deb" ] || [ "${KREFRESH:-0}" = 1 ]; then
  # A private apt state, so that the host's lists and pins stay as they are.
  a=$work/apt; mkdir -p "$a/lists/partial" "$a/archives/partial"
  echo "deb [signed-by=$keyring] $MIRROR $KSUITE main" > "$a/sources.list"
  aptopt=(-o Dir::Etc::sourcelist="$a/sources.list" -o Dir::Etc::sourceparts=-
          -o Dir::State::lists="$a/lists" -o Dir::Cache::archives="$a/archives"
          -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
          -o APT::Sandbox::User=root -o Acquire::Languages=none)
  apt-get -qq "${aptopt[@]}" update
  # The generic kernel, not the cloud one: cloud lacks ahci, e1000e, igb and 9p.
  img=$(apt-cache "${aptopt[@]}" depends linux-image-amd64 |
        awk '/Depends:/ && $2 ~ /^linux-image-/ {print $2; exit}')
  (cd "$work" && apt-get -qq "${aptopt[@]}" download "$img")
  mv "$work"/linux-image-*.deb "$out/kernel.deb"
fi
mkdir "$work/k"; dpkg-deb -x "$out/kernel.deb" "$work/k"
kdir=$(find "$work"/k/lib/modules "$work"/k/usr/lib/modules -mindepth 1 -maxdepth 1 2>/dev/null | head -1 || true)
kver=$(basename "$kdir")
# vmlinux out of the bzImage: find the compressed payload by its magic number.
bz=$(ls "$work"/k/boot/vmlinuz-*)
extract() { # magic-regex decompressor...
  local re=$1 off; shift
  for off in $(LC_ALL=C grep -abo -P "$re" "$bz" | cut -d: -f1); do
    tail -c +$((off+1)) "$bz" | "$@" > "$work/vmlinux" 2>/dev/null || true
    if [ "$(head -c4 "$work/vmlinux" | tail -c3)" = ELF ]; then return 0; fi
  done; return 1
}
extract '\xfd7zXZ\x00' xz -dc || extract '\x28\xb5\x2f\xfd' zstd -dcq ||
  extract '\x1f\x8b\x08' gzip -dc || extract '\x02!L\x18' lz4 -dcq ||
  { echo "no payload found in $bz" >&2; exit 1; }
mv "$work/vmlinux" "$out/vmlinux"

# Wanted modules; dependencies are added from modules.dep.
initmods="virtio_pci virtio_blk crc32c_generic crc32c_intel ext4"
mods="$initmods virtio_scsi sd_mod sr_mod sg ahci ata_piix nvme virtio_net
 virtio_balloon virtio_rng virtio_console virtio_mmio 9p 9pnet_virtio virtiofs
 e1000e igb veth dummy ifb tun bridge bonding macvlan 8021q netconsole
 loop brd null_blk zram scsi_debug dm-mod dm-flakey dm-log-writes dm-delay
 bfq kyber-iosched overlay squashfs xfs btrfs vfat nls_ascii nls_cp437 fuse
 autofs4 efivarfs configfs binfmt_misc qemu_fw_cfg
 msr cpuid acpi-cpufreq cpufreq_powersave cpufreq_ondemand cpufreq_conservative
 cpufreq_userspace intel_rapl_msr processor thermal button evdev
 pci_hotplug acpiphp shpchp acpi_memhotplug
 tcp_bbr tcp_htcp tcp_dctcp sch_fq sch_fq_codel sch_cake sch_htb sch_ingress
 nf_conntrack nf_tables nft_ct ip_tables x_tables
 lz4 lz4_compress zstd crypto_zstd crc32c-intel crc32c_generic libcrc32c
 aesni-intel ghash-clmulni-intel vmw_vsock_virtio_transport vsock softdog"
chroot "$root" true
md=$root/usr/lib/modules/$kver; mkdir -p "$md"
cp "$kdir"/modules.{builtin,builtin.modinfo,order} "$md/"
mkdir -p "$work/k/lib/modules" 2>/dev/null || true
mount --bind "$work/k" "$root/mnt"          # depmod comes from the guest image
b=""; [ -d "$work/k/usr/lib/modules" ] && b=/usr
chroot "$root" depmod -b "/mnt$b" "$kver"
umount "$root/mnt"
closure() {   # names -> relative paths, dependencies first
  awk -v want="$*" '
    function nm(p,  s) { s=p; sub(/.*\//,"",s); sub(/\.ko.*/,"",s); gsub(/-/,"_",s); return s }
    function add(p,  i,n,a) { if (p in seen) return; seen[p]=1
      n=split(dep[p],a," "); for(i=n;i>=1;i--) add(a[i]); print p }
    { p=$1; sub(/:$/,"",p); by[nm(p)]=p; d=""; for(i=2;i<=NF;i++) d=d" "$i; dep[p]=d }
    END { n=split(want,w,/[ \n]+/); for(i=1;i<=n;i++){ k=w[i]; gsub(/-/,"_",k)
      if (k in by) add(by[k]) } }' "$kdir/modules.dep"
}
closure $mods | (cd "$kdir" && xargs cp --parents -t "$md")
# Uncompressed modules load faster under emulation.
find "$md" -name '*.ko.xz' -exec xz -d {} +
chroot "$root" depmod "$kver"
cp "$work"/k/boot/config-* "$root/boot/"

# ---- 3. initrd: busybox, root modules, switch_root --------------------------
i=$work/initrd; mkdir -p "$i"/{bin,lib,dev,proc,sys,root}
cp "$root/bin/busybox" "$i/bin/"
for a in sh insmod mount switch_root sleep mkdir; do ln -s busybox "$i/bin/$a"; done
: > "$i/lib/order"
closure $initmods | while read -r m; do
  b=$(basename "${m%.xz}")
  cp "$md/${m%.xz}" "$i/lib/$b"; echo "/lib/$b" >> "$i/lib/order"; done
cat > "$i/init" <<'I'
#!/bin/sh
mount -t devtmpfs dev /dev; mount -t proc proc /proc
while read -r m; do insmod "$m"; done < /lib/order
n=0; while [ ! -b /dev/vda ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done
mount -t ext4 -o rw,noatime /dev/vda /root || exec sh
umount /proc 2>/dev/null
mount -o move /dev /root/dev
exec switch_root /root /sbin/init
I
ln -s busybox "$i/bin/umount"
chmod +x "$i/init"
(cd "$i" && find . | "$root/bin/busybox" cpio -o -H newc 2>/dev/null | gzip -1) > "$out/initrd.gz"

# ---- 4. configure the guest -------------------------------------------------
echo guest > "$root/etc/hostname"
echo "127.0.0.1 localhost guest" > "$root/etc/hosts"
echo "/dev/vda / ext4 noatime 0 0" > "$root/etc/fstab"
# A fixed machine-id: no first-boot run, and the journal of every boot in the same folder.
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
chroot "$root" passwd -d root >/dev/null
rm -f "$root"/var/cache/apt/archives/*.deb
rm -rf "$root"/var/lib/apt/lists/*
units="$root/etc/systemd/system"
# The agent is the control channel: it must answer whatever the cases do to system.slice.
mkdir -p "$units/qemu-guest-agent.service.d"
printf '[Service]\nSlice=-.slice\nOOMScoreAdjust=-900\nRestart=always\nRestartSec=100ms\nKillMode=process\n' \
  > "$units/qemu-guest-agent.service.d/guest.conf"
chroot "$root" systemctl --quiet disable tuned.service
# Units that only add boot time or change settings behind the cases' back.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer systemd-networkd.service systemd-timesyncd.service systemd-pstore.service getty@tty1.service \
  serial-getty@ttyS0.service systemd-update-utmp.service systemd-binfmt.service systemd-firstboot.service; do
  ln -sf /dev/null "$units/$unit"
done
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system.conf.d"
printf '[Journal]\nStorage=persistent\nSystemMaxUse=16M\nSyncIntervalSec=5s\n' \
  > "$root/etc/systemd/journald.conf.d/guest.conf"
# Emulation is slow: units get time instead of failing at random.
printf '[Manager]\nDefaultTimeoutStartSec=300s\nDefaultTimeoutStopSec=60s\nDefaultDeviceTimeoutSec=300s\n' \
  > "$root/etc/systemd/system.conf.d/guest.conf"
echo "kernel+config: $((SECONDS-t0)) s ($kver)"

# ACPI tables that give QEMU's CPUs P-states, C-states and CPPC.
for table in pm cppc; do
  iasl -p "$out/$table" "$here/$table.asl" >"$work/iasl.log" 2>&1 || { cat "$work/iasl.log" >&2; exit 1; }
done

# ---- 5. ext4 image without loop devices --------------------------------------
t0=$SECONDS
rm -f "$out/base.ext4"
truncate -s "$SIZE" "$out/base.ext4"
mke2fs -q -t ext4 -L guest-root -d "$root" "$out/base.ext4"
echo "image: $((SECONDS-t0)) s, $(du -m "$out/base.ext4" | cut -f1) MB on disk"
