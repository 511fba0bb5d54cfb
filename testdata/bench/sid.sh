# What the scripts here share: a Debian sid in which the peers are, made by debootstrap from the mirror that the machine's
# apt uses. It is to be sourced.

say() { echo "bench: $*" >&2; }
fail() { say "$*"; exit 1; }
as_root=()
if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi

lab=${KINSPECT_LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/kinspect-lab}
mkdir -p "$lab"
lab=$(cd "$lab" && pwd)
bench=$lab/bench
mkdir -p "$bench"
peers=$bench/sid

# Mounts are made in a mount namespace of their own: they end with the process,
# however it ends.
in_private_mounts() { "${as_root[@]}" unshare --mount --propagation private "$@"; }

debian() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Label: $1" | sed -n 1p; }

need_mirror() {
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -n "$(debian Debian)" ] || "${as_root[@]}" apt-get update -qq
	mirror=${KINSPECT_LAB_MIRROR:-$(debian Debian)}
	[ -n "$mirror" ] || fail "this machine's apt has no Debian mirror: set KINSPECT_LAB_MIRROR"
	for p in debootstrap debian-archive-keyring; do
		dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q '^install ok installed$' && continue
		say "installing $p"
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
			install -y -qq --no-install-recommends "$p" >/dev/null
	done
}

make_sid() {
	[ ! -e "$peers" ] || return 0
	need_mirror
	say "making a Debian sid with drgn, crash and makedumpfile in $peers"
	"${as_root[@]}" rm -rf "$peers.part"
	# A proxy that apt uses is the one for debootstrap too.
	proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
	in_private_mounts env ${proxy:+http_proxy="$proxy"} \
		debootstrap --variant=minbase --keyring="$keyring" \
		--include=python3-drgn,crash,makedumpfile,gcc,libc6-dev,libkdumpfile-dev sid "$peers.part" "$mirror" >"$bench/debootstrap.log" ||
		fail "debootstrap failed, see $bench/debootstrap.log"
	"${as_root[@]}" rm -rf "$peers.part"/var/cache/apt/archives "$peers.part"/var/lib/apt/lists
	"${as_root[@]}" mkdir -p "$peers.part/bench"
	"${as_root[@]}" mv "$peers.part" "$peers"
}

# install_in_sid PACKAGE... adds to it. A mirror that is copied seldom may hold lists that are older than they say
# they may be; they are signed all the same.
install_in_sid() {
	need_mirror
	say "installing $* in $peers"
	proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
	in_private_mounts env ${proxy:+http_proxy="$proxy"} DEBIAN_FRONTEND=noninteractive bash -euc '
		peers=$1; shift
		mount -t proc proc "$peers/proc"
		cp /etc/resolv.conf "$peers/etc/resolv.conf"
		chroot "$peers" sh -euc "apt-get -o Acquire::Check-Valid-Until=false update -qq
			apt-get install -y -qq --no-install-recommends $*"
		rm -rf "$peers"/var/cache/apt/archives "$peers"/var/lib/apt/lists
	' _ "$peers" "$@" >"$bench/apt.log" 2>&1 || fail "that failed, see $bench/apt.log"
}
