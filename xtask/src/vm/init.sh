#!/bin/busybox sh
# The first process of the virtual machine: makes the other machine's files its own root, with changes in memory, and
# runs there what it was started for.
if [ "$1" != inside ]; then
	/bin/busybox --install -s /bin
	export PATH=/bin
	for module in @FIRST@; do
		if [ -e "/modules/$module.ko" ]; then insmod "/modules/$module.ko"; fi
	done
	mkdir /files /changes
	mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144,cache=loose files /files
	mount -t tmpfs changes /changes
	mkdir /changes/upper /changes/work
	mount -t overlay -o lowerdir=/files,upperdir=/changes/upper,workdir=/changes/work overlay /root
	mount -t proc proc /root/proc
	mount -t sysfs sys /root/sys
	mount -t devtmpfs dev /root/dev
	mkdir -p /root/dev/shm /root/dev/pts /root/lib/modules/@RELEASE@
	mount -t tmpfs shm /root/dev/shm
	mkdir -p /root/run/qlb-vm
	cp /init /root/run/qlb-vm/init
	exec switch_root /root /bin/sh /run/qlb-vm/init inside
fi
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount --bind @MODULES@ /lib/modules/@RELEASE@
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
for module in veth bridge nf_tables nft_chain_nat nft_masq nft_numgen ip_vs ip_vs_rr cls_bpf sch_ingress; do
	modprobe "$module" || echo "no module $module"
done
cd @ROOT@
@COMMAND@
echo "@MARK@$?"
poweroff -f
