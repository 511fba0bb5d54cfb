package check

// figure is a number that a tool shows, and the fields of struct rtnl_link_stats64 that it adds up.
type figure struct {
	tool   string
	column string
	fields []string
}

// figures is what tools show of a device: read off net/core/net-procfs.c (dev_seq_printf_stats) for
// /proc/net/dev, off net-tools 2.10 (lib/interface.c) for ifconfig and netstat, which read that file, and off
// iproute2 6.15 (ip/ipaddress.c) for ip, which asks netlink.
var figures = []figure{
	{"/proc/net/dev", "receive bytes", []string{"rx_bytes"}},
	{"/proc/net/dev", "receive packets", []string{"rx_packets"}},
	{"/proc/net/dev", "receive errs", []string{"rx_errors"}},
	{"/proc/net/dev", "receive drop", []string{"rx_dropped", "rx_missed_errors"}},
	{"/proc/net/dev", "receive fifo", []string{"rx_fifo_errors"}},
	{"/proc/net/dev", "receive frame", []string{"rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors"}},
	{"/proc/net/dev", "receive compressed", []string{"rx_compressed"}},
	{"/proc/net/dev", "receive multicast", []string{"multicast"}},
	{"/proc/net/dev", "transmit bytes", []string{"tx_bytes"}},
	{"/proc/net/dev", "transmit packets", []string{"tx_packets"}},
	{"/proc/net/dev", "transmit errs", []string{"tx_errors"}},
	{"/proc/net/dev", "transmit drop", []string{"tx_dropped"}},
	{"/proc/net/dev", "transmit fifo", []string{"tx_fifo_errors"}},
	{"/proc/net/dev", "transmit colls", []string{"collisions"}},
	{"/proc/net/dev", "transmit carrier", []string{"tx_carrier_errors", "tx_aborted_errors", "tx_window_errors", "tx_heartbeat_errors"}},
	{"/proc/net/dev", "transmit compressed", []string{"tx_compressed"}},

	{"netstat -i", "RX-OK", []string{"rx_packets"}},
	{"netstat -i", "RX-ERR", []string{"rx_errors"}},
	{"netstat -i", "RX-DRP", []string{"rx_dropped", "rx_missed_errors"}},
	{"netstat -i", "RX-OVR", []string{"rx_fifo_errors"}},
	{"netstat -i", "TX-OK", []string{"tx_packets"}},
	{"netstat -i", "TX-ERR", []string{"tx_errors"}},
	{"netstat -i", "TX-DRP", []string{"tx_dropped"}},
	{"netstat -i", "TX-OVR", []string{"tx_fifo_errors"}},

	{"ifconfig", "RX packets", []string{"rx_packets"}},
	{"ifconfig", "RX bytes", []string{"rx_bytes"}},
	{"ifconfig", "RX errors", []string{"rx_errors"}},
	{"ifconfig", "RX dropped", []string{"rx_dropped", "rx_missed_errors"}},
	{"ifconfig", "RX overruns", []string{"rx_fifo_errors"}},
	{"ifconfig", "RX frame", []string{"rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors"}},
	{"ifconfig", "TX packets", []string{"tx_packets"}},
	{"ifconfig", "TX bytes", []string{"tx_bytes"}},
	{"ifconfig", "TX errors", []string{"tx_errors"}},
	{"ifconfig", "TX dropped", []string{"tx_dropped"}},
	{"ifconfig", "TX overruns", []string{"tx_fifo_errors"}},
	{"ifconfig", "TX carrier", []string{"tx_carrier_errors", "tx_aborted_errors", "tx_window_errors", "tx_heartbeat_errors"}},
	{"ifconfig", "TX collisions", []string{"collisions"}},

	{"ip -s -s link", "RX bytes", []string{"rx_bytes"}},
	{"ip -s -s link", "RX packets", []string{"rx_packets"}},
	{"ip -s -s link", "RX errors", []string{"rx_errors"}},
	{"ip -s -s link", "RX dropped", []string{"rx_dropped"}},
	{"ip -s -s link", "RX missed", []string{"rx_missed_errors"}},
	{"ip -s -s link", "RX mcast", []string{"multicast"}},
	{"ip -s -s link", "RX compressed", []string{"rx_compressed"}},
	{"ip -s -s link", "RX errors: length", []string{"rx_length_errors"}},
	{"ip -s -s link", "RX errors: crc", []string{"rx_crc_errors"}},
	{"ip -s -s link", "RX errors: frame", []string{"rx_frame_errors"}},
	{"ip -s -s link", "RX errors: fifo", []string{"rx_fifo_errors"}},
	{"ip -s -s link", "RX errors: overrun", []string{"rx_over_errors"}},
	{"ip -s -s link", "RX errors: nohandler", []string{"rx_nohandler"}},
	{"ip -s -s link", "RX errors: otherhost", []string{"rx_otherhost_dropped"}},
	{"ip -s -s link", "TX bytes", []string{"tx_bytes"}},
	{"ip -s -s link", "TX packets", []string{"tx_packets"}},
	{"ip -s -s link", "TX errors", []string{"tx_errors"}},
	{"ip -s -s link", "TX dropped", []string{"tx_dropped"}},
	{"ip -s -s link", "TX carrier", []string{"tx_carrier_errors"}},
	{"ip -s -s link", "TX collsns", []string{"collisions"}},
	{"ip -s -s link", "TX compressed", []string{"tx_compressed"}},
	{"ip -s -s link", "TX errors: aborted", []string{"tx_aborted_errors"}},
	{"ip -s -s link", "TX errors: fifo", []string{"tx_fifo_errors"}},
	{"ip -s -s link", "TX errors: window", []string{"tx_window_errors"}},
	{"ip -s -s link", "TX errors: heartbt", []string{"tx_heartbeat_errors"}},
	{"ip -s -s link", "TX errors: transns", []string{carrierChanges}},
}

// carrierChanges is no field of struct rtnl_link_stats64: netlink has it as IFLA_CARRIER_CHANGES.
const carrierChanges = "carrier_changes"
