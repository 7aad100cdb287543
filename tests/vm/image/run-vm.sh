#!/bin/bash
# run-vm.sh STATE IMAGE: start the test guest in the background.
#
# STATE is created: overlay disks, sockets, console log, QEMU's pid. The same STATE again, after a power cut, has the
# same disks. IMAGE is the folder of build-image.sh, with QEMU in IMAGE/qemu. Environment:
#   CPUS=4  MEM=2048  CPU=Nehalem,+pdpe1gb  APPEND="kernel parameters"
#   PM=1 (0: no P-states and C-states; epp: amd-pstate with energy preferences, guest kernel 6.3 or newer)
#   PAYLOAD=file   a raw disk with the serial "payload"
#
# The machine: 4 CPUs in 2 sockets and 2 NUMA nodes; root on virtio-blk (vda), two virtio-blk disks with 4 queues, an
# NVMe, a SATA and a SCSI disk; two virtio-net cards with 4 queue pairs, two e1000e; free PCIe root ports for hot-plug.
# QEMU runs in an empty network namespace: no packet leaves.
set -euo pipefail
mkdir -p "$1"
st=$(cd "$1" && pwd)
img=$(cd "$2" && pwd)
CPUS=${CPUS:-4}
MEM=${MEM:-2048}
CPU=${CPU:-Nehalem,+pdpe1gb}
ov() { [ -e "$st/$1" ] || "$img/qemu/qemu-img" create -q -f qcow2 ${2:+-b "$2" -F raw} "$st/$1" ${3:-}; }
ov root.qcow2 "$img/base.ext4"
for d in d1 d2 nvme sata scsi; do ov $d.qcow2 "" 512M; done
[ "${PM:-1}" = epp ] && { CPU=EPYC-Rome; APPEND="amd_pstate=active ${APPEND:-}"; }
half=$((MEM/2)); h=$((CPUS/2))
a=( -name guest -nodefaults -no-user-config -display none -no-reboot
  -machine q35 -accel tcg,thread=multi,tb-size=512 -cpu "$CPU" -m "$MEM"
  -smp "$CPUS,sockets=2,cores=$h,threads=1" )
a+=( -object memory-backend-ram,id=m0,size=${half}M
  -object memory-backend-ram,id=m1,size=${half}M
  -numa node,nodeid=0,cpus=0-$((h-1)),memdev=m0
  -numa node,nodeid=1,cpus=$h-$((CPUS-1)),memdev=m1 -numa dist,src=0,dst=1,val=20
  -kernel "$img/vmlinux" -initrd "$img/initrd.gz"
  -append "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off ${APPEND:-}"
  -serial "file:$st/console.log"
  -qmp "unix:$st/qmp.sock,server=on,wait=off" -pidfile "$st/qemu.pid"
  # The guest can cut its own power at an exact point: any write to port 0x501
  # ends QEMU at once with status (value*2+1).
  -device isa-debug-exit,iobase=0x501,iosize=1
  # Disks.  Not cache=unsafe: it ignores flushes, and then qcow2 tables that QEMU
  # holds in memory are lost with SIGKILL, so data that the guest had synced is too.
  # The host's page cache outlives QEMU; what is lost is what the guest never wrote.
  -drive "if=none,id=root,file=$st/root.qcow2,cache=writeback,discard=unmap"
  -device virtio-blk-pci,drive=root,serial=guest-root,num-queues=$CPUS,addr=3
  -drive "if=none,id=d1,file=$st/d1.qcow2,cache=writeback"
  -device virtio-blk-pci,drive=d1,serial=guest-d1,num-queues=$CPUS,addr=4
  -drive "if=none,id=d2,file=$st/d2.qcow2,cache=writeback"
  -device virtio-blk-pci,drive=d2,serial=guest-d2,num-queues=$CPUS,addr=5
  -drive "if=none,id=sata,file=$st/sata.qcow2,cache=writeback"
  -device ide-hd,drive=sata,serial=guest-sata,bus=ide.0,rotation_rate=7200
  -device virtio-scsi-pci,id=scsi0,num_queues=$CPUS,addr=6
  -drive "if=none,id=scsi,file=$st/scsi.qcow2,cache=writeback"
  -device scsi-hd,drive=scsi,serial=guest-scsi,rotation_rate=1
  -netdev tap,id=n3,ifname=guest3,script=no,downscript=no
  -netdev tap,id=n4,ifname=guest4,script=no,downscript=no
  -device e1000e,netdev=n3,addr=0x9
  # igb has virtual functions: it must sit alone behind a root port.
  -device pcie-root-port,id=rp0,chassis=10,slot=10,addr=0xa
  -device ${NIC4:-e1000e},netdev=n4,bus=rp0
  # Control channel.
  -device virtio-serial-pci,addr=0xb
  -chardev "socket,id=ctl,path=$st/ctl.sock,server=on,wait=off"
  -device virtserialport,chardev=ctl,name=org.qemu.guest_agent.0
  -device virtio-rng-pci,addr=0xc
  -device pcie-root-port,id=hp0,chassis=1,slot=1,addr=0xd
  -device pcie-root-port,id=hp1,chassis=2,slot=2,addr=0xe )
# Multi-queue virtio-net needs a multi-queue back end, and only tap is one.  QEMU
# runs in a network namespace of its own, so the taps exist nowhere else.
for n in 1 2; do a+=(
  -netdev "tap,id=n$n,ifname=guest$n,queues=$CPUS,script=no,downscript=no"
  -device "virtio-net-pci,netdev=n$n,mq=on,vectors=$((CPUS*2+2)),addr=$((6+n))" ); done
a+=( -drive "if=none,id=nvme,file=$st/nvme.qcow2,cache=writeback"
  -device "nvme,drive=nvme,serial=guest-nvme,max_ioqpairs=$CPUS,addr=0xf" )
# cpufreq and cpuidle for the guest (pm.asl), energy preferences too (cppc.asl): for 4 CPUs.
case ${PM:-1} in
  0) ;;
  *) a+=( -device pc-testdev -acpitable "file=$img/pm.aml" ) ;;&
  epp) a+=( -acpitable "file=$img/cppc.aml" ) ;;
esac
[ -n "${PAYLOAD:-}" ] && a+=( -drive "if=none,id=payload,file=$PAYLOAD,format=raw,readonly=on"
  -device virtio-blk-pci,drive=payload,serial=payload,addr=0x10 )
rm -f "$st/ctl.sock" "$st/qmp.sock"
exec unshare -n nice -n "${NICE:-0}" "$img/qemu/qemu" "${a[@]}" -daemonize
