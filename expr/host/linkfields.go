package host

// LinkFields are the counters of a device as user space sees them, in the order of
// struct rtnl_link_stats64 (include/uapi/linux/if_link.h): frames, but for rx_bytes and
// tx_bytes. The last two came with 4.7 and 5.19.
var LinkFields = []string{
	"rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped",
	"multicast", "collisions",
	"rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors", "rx_fifo_errors", "rx_missed_errors",
	"tx_aborted_errors", "tx_carrier_errors", "tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors",
	"rx_compressed", "tx_compressed", "rx_nohandler", "rx_otherhost_dropped",
}

// LinkStats are a device's totals as `ip -s -s link` shows them, by the names of
// [LinkFields]. A field that the kernel does not have is absent.
type LinkStats map[string]uint64
