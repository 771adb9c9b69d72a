# PID 1 of a pretend machine for tests: private mounts, network, processes.
# Runs the command given as arguments and ends with its status.
set -e
DIR=$1; shift
hostname gostack-test
mount -t tmpfs run /run
mkdir -p /run/libvirt /run/lock
for d in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/openvswitch /var/lib/openvswitch /var/log/openvswitch; do
  mkdir -p "$DIR$d" "$d"
  [ $d != /etc/libvirt ] || cp -a /etc/libvirt/. "$DIR$d/"
  mount --bind "$DIR$d" "$d"
done
rm -f /etc/libvirt/qemu/networks/autostart/*
ip link set lo up
cat >/etc/libvirt/libvirtd.conf <<C
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
C
# bash as PID 1 reaps the orphans that daemons leave.
set +e
"$@" &
wait $!
exit $?
