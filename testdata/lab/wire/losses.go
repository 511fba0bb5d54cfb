package wire

// Losses is what the guest's losses command made, as /tmp/losses.json and the facts have it. The drops of a UDP socket
// are what was sent less what could be read, and retransmissions are what the socket itself says.
type Losses struct {
	PID           int    `json:"pid"`
	UDPOpen       uint64 `json:"udp_open"`
	UDPClosed     uint64 `json:"udp_closed"`
	ListenDrops   uint64 `json:"listen_drops"`
	Backlog       uint64 `json:"backlog"`
	Waiting       uint64 `json:"waiting"`
	RetransOpen   uint64 `json:"retrans_open"`
	RetransClosed uint64 `json:"retrans_closed"`
	BadSums       uint64 `json:"bad_sums"`
	Fragments     uint64 `json:"fragments"`
	NotHere       uint64 `json:"not_here"`
	NoRoute       uint64 `json:"no_route"`
	Off           uint64 `json:"off"`
}
