// Package frame shows frames that a probe kept: as one line for the person at the prompt ([Line]) and as a pcapng
// file for other tools ([Pcapng]).
//
// A frame here is what there is of an skb, and that is not always a whole frame. It may be cut after the bytes that
// the probe kept, it may begin at the network header where the driver gives no link header or the kernel has not put
// one on yet, its VLAN tag may stand in skb->vlan_tci instead, and, as frames that are dropped often are, it may be
// damaged or hostile. So a line says what is there, calls a header cut where it is cut and damaged where it is, never
// grows beyond [MaxLine] bytes, and shows text from the wire in quotes with what a terminal would act on escaped.
//
// Fixed headers are decoded by gopacket's layers. What it takes only whole (LLDP, CDP, PPPoE, MPLS, IPv4's and TCP's
// options) or not at all (LACP, PTP) is decoded here, so that the half of a header that was kept is of use.
//
// Nothing here keeps state but a [Pcapng], which is for one goroutine.
package frame
