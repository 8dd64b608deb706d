# Process 1 of a pretend host: mounts what is the host's own, then waits as an init does.
# Arguments: folder, name, address, nameserver.
set -e
folder=$1 name=$2
mount --make-rprivate /
mount -t proc proc /proc
# The file system of devices shows the network that it was mounted in, so it is mounted anew, the cgroups over it.
mkdir -p "$folder/cgroup"
mount --rbind /sys/fs/cgroup "$folder/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$folder/cgroup" /sys/fs/cgroup
umount -l "$folder/cgroup"
mkdir -p /var/lib/docker /var/lib/rancher /etc/docker
mount --bind "$folder/identity" /etc/docker
mount --bind "$folder/docker" /var/lib/docker
mount --bind "$folder/rancher" /var/lib/rancher
mount --bind "$folder/run" /run
hostname "$name"
printf '127.0.0.1 localhost\n%s %s\n' "$3" "$name" >/run/hosts
mount --bind /run/hosts /etc/hosts
echo "nameserver $4" >/run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf
mkdir -p /run/sshd
echo ready >/run/booted
exec tini-static -g -- sleep infinity
