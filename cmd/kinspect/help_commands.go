package main

// commandHelp is what help tells of each command beyond its usage: examples, and
// what its exit codes mean.
var commandHelp = map[string]struct{ examples, exits string }{
	"eval": {
		`  kinspect eval "netdev('bond0').rx_dropped"
  kinspect eval "netdevs() | filter(.rx_dropped > 0) | map(.name)"
  kinspect eval init_net.dev_base_head "per_cpu(softnet_data, 0).processed"
  kinspect eval --set hex,depth=1 "*netdev('lo')"
  kinspect eval -- "-cast('u8', 1)"     after --, since it begins with -
`,
		"0 answered; 2 no answer, or one in part",
	},
	"run": {
		`  kinspect run bonds.ki                 on the running kernel
  kinspect --core vmcore run bonds.ki 100   the script finds "100" in args
  kinspect --json run bonds.ki          each print is one JSON value on a line
  kinspect run - <bonds.ki              from standard input
  kinspect run --set hex bonds.ki       how values print, as the prompt does
  kinspect run bonds.ki -- -x           an argument that begins with -

A file that begins with #!/usr/bin/env -S kinspect run is a program. What a
script may hold:
  let d = netdev('bond0')               a variable; d = … sets it
  if COND { … } else if COND { … } else { … }
  for d in netdevs() { … }              a list or a sequence; break, continue
  fn own(d) = d.rx_dropped              a function; fn f(a) { …; return a }
  print EXPR, …                         text; an expression alone prints, too
  assert COND, EXPR, …                  where COND does not hold, say so, go on
  require COND, EXPR, …                 the same, and end
  warn EXPR, …; exit [N]; args          args: what stands behind FILE
Statements end with the line, or with ;. Expressions are those of eval.
`,
		"0 every assertion held; 1 one did not; 2 the script could not run to its end, or what exit said",
	},
	"explain": {
		`  kinspect explain bond0
  kinspect explain                      all devices that show a drop
  kinspect --netns blue explain eth0
  kinspect --json --core vmcore explain bond0
  kinspect explain bond0 --watch 2s     what moves from now on, every 2 s
  kinspect explain --watch 10s          of all devices: which ones bleed
  kinspect explain bond0 --watch 2s --count 30    ends after a minute
  kinspect explain bond0 --html bond0.html   a page for a ticket, too
  kinspect explain --html - >drops.html      of all devices, and nothing else
  kinspect explain bond0 --live 5s      then the proof from the next drops

  --html FILE    write the answer as one page of HTML as well: the receive path
                 as a drawing, the evidence, what to do next. It loads nothing
                 and needs no network. "-" is standard output, and then the
                 text is not printed

With --watch, verdicts are those on what was counted since the start: that tells
an old wound from a bleeding one. On a terminal the table is drawn anew in
place, elsewhere each sample is a line of JSON; the first one is the start.
--count N ends the watch after N samples, Ctrl-C with a last one.

With --live, the drops of the next seconds are watched as drops does, compared
with the verdict on what was counted meanwhile, and named where they disagree.
`,
		"0 the counters are zero; 1 there are drops; 2 no answer, or one in part (\"at least\"). With --watch: 0 nothing moved; 1 a counter did; 2 it cannot be told, or in part",
	},
	"drops": {
		`  kinspect drops                        until Ctrl-C
  kinspect drops bond0 --for 10s        ten seconds of one device
  kinspect drops bond0 --frames 3       and three frames of each row, decoded
  kinspect drops --for 1m --pcap lost.pcapng  for Wireshark, with the reasons
  kinspect drops --for 1m --json >drops.jsonl

Counts, in the kernel, each skb that is freed as a drop (the tracepoint
kfree_skb), by drop reason, place, device, ethertype and namespace, and at the
end says which counters moved and which of the drops those are. Nothing is left
in the kernel afterwards, also where kinspect is killed. On a terminal the table
is drawn anew every second; in a pipe it is printed once, at the end. With
--json, one object a line: each row has "kind":"drop", a frame
"kind":"frame", the end "kind":"summary".

  --for TIME     end by itself after 10s, 500ms, 2m; else Ctrl-C does
  --frames N     keep the first N frames of each row, and print each in a line
  --pcap FILE    write them as pcapng: place and reason are each packet's
                 comment. 1000 of each row, unless --frames says how many
`,
		"0 nothing was dropped; 1 frames were; 2 the kernel refused, or something could not be read",
	},
	"count": {
		`  kinspect count tcp_sendmsg tcp_recvmsg tcp_retransmit_skb netif_receive_skb
  kinspect count 'tcp_*' --for 10s              those that match, at once
  kinspect count bond_handle_frame 'veth:*'     of modules, too
  kinspect count tcp_retransmit_skb --by 'sk->__sk_common.skc_daddr'
  kinspect count --preset tcp --for 30s

Counts in the kernel how often functions run: FUNC, MODULE:FUNC, or a pattern
(* any characters, ? one, [a-z] one of these), up to 1000 functions where the
kernel attaches to many at once (since 5.18, with CONFIG_FPROBE) and 128 where
it does one by one. Those that cannot be probed are told before anything
starts; one that never runs has 0. --by is an expression on the arguments, as
of trace, computed in the kernel; there is room for 4096 values, and calls with
more are counted and told.

  --by EXPR        how often with each value: of one function, or of several
                   that are called with the same
  --preset tcp     the functions that tell whether TCP loses packets, as far as
                   this kernel has them, what the figures allow to say, and how
                   sure that is
  --all            functions that a pattern matches and that never ran, too
  --for TIME       end by itself after 10s, 500ms, 2m; else Ctrl-C does

On a terminal the table is drawn anew every second, with the rates of that
second; in a pipe it is printed once, at the end. With --json, one object a
line: "kind":"function", "value", "reading", at the end "summary". Nothing is
left in the kernel afterwards, also where kinspect is killed.
`,
		"0 it counted; 1 a reading of --preset is a finding; 2 it could not count",
	},
	"trace": {
		`  kinspect trace tracepoint:netif_receive_skb --show 'skb->dev->name, skb->len'
  kinspect trace tracepoint:netif_receive_skb --if 'skb->dev->ifindex == 3'
  kinspect trace bond_handle_frame --ret --show '(*pskb)->dev->name, ret'
  kinspect trace tcp_sendmsg --hist size --for 10s
  kinspect trace tracepoint:kfree_skb --stack --count 5

Tells each call of a function of the kernel or of a module (FUNC, or
MODULE:FUNC), or each pass of a tracepoint. Expressions are those of eval on the
arguments by their names, and are computed in the kernel, at that moment; a part
that no argument is in is computed once, before. What cannot be computed there
is refused before anything is attached. A pointer to a struct is printed as the
address: *p shows what it points to. Where memory cannot be read the value says
so, and --if does not hold: the end tells how often.

  --if EXPR        only calls that this holds for
  --show EXPR,…    print these values, as eval does
  --ret            tell the return of each call, too, and how long it took: an
                   expression with ret in it is computed then, others at both
                   times. --if decides at the entry; with ret in it, at the
                   return, and only returns are told
  --stack          the functions on the way there
  --count N        end after N events (an entry and its return are two)
  --hist EXPR      count the values by powers of two, in the kernel, and tell
                   no events; of the return with --ret
  --for TIME       end by itself after 10s, 500ms, 2m; else Ctrl-C does

Functions are attached to by their types (fentry, fexit), and by a kprobe where
the kernel has none: then arguments are arg0, arg1, …, to be cast.
With --json, one object a line: "kind":"event", at the end "kind":"summary", and
before it "kind":"bucket" of a histogram. Nothing is left in the kernel
afterwards, also where kinspect is killed.
`,
		"0 it ran until its end; 2 the kernel or an expression was refused, or events were lost",
	},
	"counters": {
		`  kinspect counters bond0
  kinspect --core vmcore counters bond0
  kinspect counters bond0 --watch 2s    which move from now on, and how fast
`,
		"0 answered; 2 no answer, or one in part; with --watch 1 the device lost something",
	},
	"softnet": {
		`  kinspect softnet
  kinspect --core vmcore softnet
  kinspect softnet --watch 2s           what moves from now on, and how fast
`,
		"0 no backlog was full; 1 one was; 2 no answer, or one in part; with --watch, during the watch",
	},
	"handler": {
		`  kinspect handler LLDP bond0           on a device
  kinspect handler 0x0004 bond0         0x0004 is 802.2: STP, CDP, IS-IS
  kinspect handler ARP                  on any device of the namespace
`,
		"0 something takes the frame; 1 nothing takes it; 2 no answer, or one in part",
	},
	"check": {
		`  kinspect check                     what checks are built in
  kinspect check all                 run them
  kinspect check bond-drops taps     run some
  kinspect check --set bond-drops.max=100 bond-drops
  kinspect check --show bond-drops   its text, to be copied and changed
  kinspect check mine.check          run those of a file; - is standard input
  kinspect --core vmcore check all --json
  kinspect check all --metrics -o /var/lib/node_exporter/textfile/kinspect.prom

  --set CHECK.NAME=EXPR  another bound (max, min), or another value of a let
  --metrics              OpenMetrics text, as node_exporter's textfile
                         collector reads it
  -o, --output FILE      write the answer to a file, which is replaced as a
                         whole
A check of a file:
  check bond-drops "bonds dropped no frames"
      each   netdevs() | filter(netdev_driver(#) == 'bond')
      label  device = .name
      value  netdev_counter(#, 'rx_dropped')
      max    0
      unit   frames
      next   'kinspect explain', .name
Lines are indented, and go on in lines that are indented further. Expressions
are those of eval; # and .name are of the row that each gives, and # at the
beginning of a line is a comment.
  let NAME = EXPR        a variable, which --set can change
  when COND, WHY         there is nothing to look at where COND does not hold
  each LIST              what is looked at, a row each; without it, one row
  label NAME = EXPR      tells rows apart, for people and metrics
  value EXPR             a number, with max EXPR or min EXPR or both
  holds COND             instead of value: what has to be so
  unit WORDS             what the number counts
  found EXPR, …          of a finding: what to say, as print does
  next EXPR, …           of a finding: what to do
let and fn above the first check are for all checks of the file. Functions look
into all network namespaces here, unless --netns names one. What could not be
read is not fine: the check says so, and the exit code is 2, whatever else was
found.
`,
		"0 all is fine; 1 a finding; 2 a check could not be answered, or not in full, or could not be read",
	},
	"snmp": {
		`  kinspect snmp                      what is not 0, and where it leads
  kinspect snmp UdpRcvbufErrors      one counter, by nstat's name
  kinspect snmp 'TcpExt*' Ip6In      with * and ?, or how names begin
  kinspect --netns blue snmp --all   of another namespace, zeros, too
  kinspect --core vmcore snmp --json
  kinspect snmp 'Udp*' --watch 2s    which move from now on, and how fast

Counters are since the namespace was made, the first one's since boot. "Lost
here" is what this host dropped; "trouble" was lost or refused elsewhere, or was
bad when it came. Behind the list, drops are followed to what memory still has:
datagrams to the UDP sockets that dropped them and their programs, connections
turned away to the listening sockets, segments sent again to the connections
and peers, IPv6's drops to the devices, bad headers and fragments to their
kinds; each with how sure that is.
`,
		"0 this host lost nothing; 1 it did; 2 no answer, or one in part; with --watch, during the watch",
	},
	"netstat": {
		`  kinspect netstat                      /proc/net/snmp, netstat and snmp6
  kinspect --core vmcore netstat snmp6  one of them, byte for byte
  kinspect --json --netns blue netstat  their texts as members of an object
  kinspect netstat snmp --watch 2s      what moves in it from now on, how fast
What the numbers mean, kinspect snmp says.
`,
		"0 printed; 2 a file could not be rebuilt in full; with --watch 1 this host lost something",
	},
	"snapshot": {
		`  kinspect snapshot -o bond0.kdump -- explain bond0
  kinspect snapshot -o bond0.kdump --redact -- explain bond0
  kinspect snapshot -o drops.elf --format elf -- eval "netdevs()" "cpus()"
  kinspect --core bond0.kdump explain bond0
COMMAND is eval, run, explain, handler, counters, softnet, check, snmp or
netstat. The file holds memory of the kernel, and its symbols and types whole:
other questions work on it as far as that memory goes. Where COMMAND fails, the
file has what was read until then, and fails in the same way: it shows somebody
else why. The exit code is 2 then.
  --format kdump  kdump-compressed, which is the default: crash --minimal and
                  drgn open it, too
  --format kdump-pages
                  the same with symbols and types in the kernel's memory, as a
                  dump has them, and half as large again
  --format elf    an ELF core with virtual addresses, three times as large
  --redact        of the pages that COMMAND read, keep the bytes that it asked
                  for and make all others zeros. What the answer says stays, and
                  so do names of modules and network namespaces, and the command
                  line
A name that ends in .zst packs the file as a whole, smaller still: unpack it for
crash and drgn (zstd -d).
`,
		"those of COMMAND; 2 also where the file could not be written",
	},
	"search": {
		`  kinspect --core vmcore search --u64 init_net              who points to it
  kinspect --core vmcore search --u64 "netdev('bond0')"     or to this value
  kinspect --core vmcore search --u32 0x4a80000 --mask 0xfffff000
  kinspect --core vmcore search --bytes 0180c2000000 --context
  kinspect --core vmcore search --string 'BOOT_IMAGE=' --limit 5

What to look for, one of:
  --u64 VALUE    8 bytes, little-endian, aligned to 8: a number, a symbol (with
                 +OFFSET; it stands for its address), or an expression
  --u32 VALUE    the same of 4 bytes, aligned to 4
  --bytes HEX    bytes in the order of memory, up to 4096
  --string TEXT  its bytes, as many
and how:
  --mask M       only these bits of the u64
  --align N      only addresses that are multiples of N, a power of two, up to
                 4096
  --limit N      stop after N matches, up to 100000 (1000)
  --context      show the bytes around each match
A line a match: its physical address, and what is known of it: the virtual
address in the direct map, in the kernel's image or in a module, and the symbol
there. Memory that the dump does not hold is not searched, and the last lines
tell how much that is.
`,
		"0 all that the dump holds was searched, or --limit reached, whatever was found; 2 no answer, or a part could not be read",
	},
	"sym": {
		`  kinspect sym --around 5 bond_handle_frame     here, with its neighbours
  kinspect --core vmcore sym 0xffffffffc01cd6a8 of a dump, modules included
  kinspect sym --symbols System.map 0xffffffff81459d10
  kinspect sym --symbols kallsyms.txt ip_rcv+0x1f
  kinspect sym --symbols System.map --kaslr-offset 0x1c000000 ADDR

  --symbols FILE       a System.map, a saved /proc/kallsyms or a vmlinux: alone,
                       it needs no kernel; with --core, in place of the dump's
                       own symbols
  --kaslr-offset HEX   with --symbols alone: how far KASLR moved the kernel from
                       where the file has it ("Kernel Offset" of a panic); 0
                       says that it did not
  --around N           the N symbols on either side as well, up to 10000
Offsets are hexadecimal, with or without 0x. Other names of an address are told
beside.
`,
		"0 found; 1 not found; 2 no answer",
	},
	"demo": {
		`  kinspect demo
It brings its own snapshot, and takes neither --core nor --netns.
`,
		"0 shown; 2 it could not be",
	},
	"completion": {
		`  eval "$(kinspect completion bash)"    in ~/.bashrc
  eval "$(kinspect completion zsh)"     in ~/.zshrc, behind compinit
  kinspect completion fish | source     in config.fish
It completes commands, flags, names of files, of network namespaces and, unless
--core is given, of the devices in /sys/class/net.
`,
		"0 printed",
	},
	"doctor": {
		`  kinspect doctor
  kinspect --core vmcore doctor
`,
		"0 nothing is missing; 1 answers lack something; 2 nothing can be answered",
	},
	"repl": {
		`  kinspect                              at the prompt, help shows what there is
  kinspect --core vmcore
  echo "netdev('bond0').mtu" | kinspect     one expression a line
`,
		"0 all was evaluated; 2 an expression of a pipe failed, in part or whole",
	},
}
