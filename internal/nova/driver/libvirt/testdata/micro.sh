#!/bin/bash
# micro.sh OUTDIR: kernel and initramfs (busybox only) of a guest that boots in two seconds.
# It counts its boots in the first sector of /dev/vda, shows what its config drive says, obeys the
# power button, with ip4=ADDRESS/LENGTH on its command line counts for whoever connects to TCP 7, and says on ttyS0 what it hears there.
set -eu
K=$(ls /lib/modules | sort -V | tail -1) OUT=$1 W=$1/root
mkdir -p $W/{bin,dev,proc,sys,mnt,lib,etc/acpi/PWRF}
cp /bin/busybox $W/bin/busybox
for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover virtio_net virtio_blk cdrom isofs button evdev shpchp pci_hotplug; do
  f=$(find /lib/modules/$K -name $m.ko | head -1)
  [ -z "$f" ] || { cp $f $W/lib/; echo $m >>$W/lib/order; }
done
cat >$W/init <<'I'
#!/bin/busybox sh
/bin/busybox --install -s /bin; export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in $(cat /lib/order); do insmod /lib/$m.ko; done
n=$(dd if=/dev/vda bs=16 count=1 2>/dev/null | tr -cd 0-9); n=$((${n:-0}+1))
printf '%-16s' $n | dd of=/dev/vda bs=16 count=1 conv=notrunc 2>/dev/null; sync
echo "BOOTS $n SECTORS $(cat /sys/block/vda/size)" >/dev/console
at() { dd if=$1 bs=1 skip=$2 count=10 2>/dev/null | tr -d '\0'; }
for d in /dev/vd[b-z]; do
  echo "DISK $d ext4=$(at $d 1144) swap=$(at $d 4086)" >/dev/console
  mount -t iso9660 -o ro $d /mnt 2>/dev/null && echo "CONFIG $(cat /mnt/openstack/latest/meta_data.json)" >/dev/console
done
for a in $(cat /proc/cmdline); do case $a in ip4=*)
  ip link set lo up; ip link set eth0 mtu 1400 up; ip addr add ${a#ip4=} dev eth0
  nc -ll -p 7 -e /bin/tick </dev/null & ;; esac; done
acpid -c /etc/acpi -l /dev/null
while read -r line; do echo "HEARD $line"; done </dev/ttyS0 >/dev/ttyS0 &
echo "MICRO-READY" >/dev/console
i=0; while :; do sleep 1; i=$((i+1)); echo "TICK $i NICS $(ls /sys/class/net | grep -c eth)" >/dev/console; done
I
printf '#!/bin/sh\ni=0; while :; do i=$((i+1)); echo $i; usleep 50000; done\n' >$W/bin/tick; chmod +x $W/bin/tick
printf '#!/bin/sh\npoweroff -f\n' >$W/etc/acpi/PWRF/00000080
chmod +x $W/init $W/etc/acpi/PWRF/00000080
(cd $W && find . | cpio -o -H newc --quiet | gzip -1) >$OUT/ramdisk
cp /boot/vmlinuz-$K $OUT/kernel
