package repl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// crashCommands are what fingers know from crash. Each stands for expressions, which
// it shows.
var crashCommands = []command{
	{
		name: "struct", usage: "struct NAME[.MEMBER[,MEMBER]] [ADDR [COUNT]]", like: "crash", arg: argStruct, example: "struct list_head",
		about:  "a struct's definition, or the one at an address",
		more:   "-o is taken and changes nothing: offsets are always shown. Not supported: -l, -r, -x, -d (set hex).",
		expand: func(r *runner, args string) ([]string, error) { return expandStruct(r, "struct", args) },
	},
	{
		name: "union", usage: "union NAME[.MEMBER[,MEMBER]] [ADDR [COUNT]]", like: "crash", arg: argUnion, example: "union nf_inet_addr",
		about:  "the same of a union",
		expand: func(r *runner, args string) ([]string, error) { return expandStruct(r, "union", args) },
	},
	{
		name: "rd", usage: "rd [-8|-16|-32|-64] ADDR|SYMBOL [COUNT]", like: "crash", arg: argSymbol, example: "rd init_net 2",
		about:  "memory as integers",
		more:   "A symbol stands for its address. -s and -S are taken: symbols are always shown. Not supported: -p, -u, -a, -d, -e, -o.",
		expand: expandRd,
	},
	{
		name: "ps", usage: "ps [-k|-u|-G] [PID|NAME …]", like: "crash",
		about:  "tasks: all threads, kernel threads (-k), users' (-u), processes (-G)",
		more:   "Not supported: -p, -c, -t, -a, -l, -m, -g, -r, -S, -A, -y. task_files(PID) and stack(PID) tell of one.",
		expand: expandPs,
	},
	{
		name: "log", usage: "log", like: "crash",
		about:  "the kernel's log",
		more:   "Not supported: -T, -t, -d, -m, -a, -s. dmesg() | filter(.text contains 'oom') looks for something.",
		expand: expandLog,
	},
	{
		name: "mod", usage: "mod [NAME]", like: "crash",
		about:  "the loaded modules",
		more:   "Not supported: -s, -S, -d, -D, -r, -R, -o, -g: symbols of modules need no loading. -t is tainted_mask.",
		expand: expandMod,
	},
	{
		name: "net", usage: "net [-a | -s PID]", like: "crash",
		about:  "network devices with their addresses, neighbours (-a), sockets of a task (-s)",
		more:   "Not supported: -n, -N, -d, -x, -S, -R. --netns of the command line says in which namespace.",
		expand: expandNet,
	},
	{
		name: "dev", usage: "dev", like: "crash",
		about:  "character and block devices by major number",
		more:   "Not supported: -i, -p, -d, -D, -V. The operations of a device are its cdev's: chrdevs[1].cdev.ops.",
		expand: expandDev,
	},
}

func expandStruct(r *runner, tag, args string) ([]string, error) {
	_, args, err := options(args, "o")
	if err != nil || args == "" {
		return nil, errors.Join(err, errUsageIf(err == nil))
	}
	name, rest, _ := strings.Cut(args, " ")
	name, members, selected := strings.Cut(name, ".")
	_, rest, err = options(rest, "o")
	if err != nil {
		return nil, err
	}
	if !isName(name) {
		return nil, fmt.Errorf("%s is no name of a %s: there is type EXPRESSION for values", name, tag)
	}
	ctype := tag + " " + name
	switch {
	case rest == "" && !selected:
		return []string{"layout('" + ctype + "')"}, nil
	case rest == "":
		// C's own way to an offset, which shows the type as well.
		var list []string
		for m := range strings.SplitSeq(members, ",") {
			list = append(list, "&(("+ctype+" *)0)->"+m)
		}
		return list, nil
	}
	where, count, counted := splitCount(rest)
	at := r.place(r.address(where))
	element := "((" + ctype + " *)" + bracketed(at) + ")"
	if counted && count != 1 {
		if count < 1 {
			return nil, errors.New("the count has to be 1 or more")
		}
		if !selected {
			return []string{fmt.Sprintf("0..%d | map(%s[#])", count-1, element)}, nil
		}
		list := eachMember(element+"[#].", members)
		if len(list) == 1 {
			return []string{fmt.Sprintf("0..%d | map(%s)", count-1, list[0])}, nil
		}
		// A table has its columns in this order, where a map would have them by name.
		return []string{fmt.Sprintf("0..%d | map([%s]) | table('%s')", count-1, strings.Join(list, ", "), strings.ReplaceAll(members, ",", "', '"))}, nil
	}
	if !selected {
		return []string{"*(" + ctype + " *)" + bracketed(at)}, nil
	}
	return eachMember(element+"->", members), nil
}

// eachMember is an expression for each of several members, in the order in which they were asked for.
func eachMember(of, members string) []string {
	var list []string
	for m := range strings.SplitSeq(members, ",") {
		list = append(list, of+m)
	}
	return list
}

// bracketed is an expression as the operand of a cast.
func bracketed(src string) string {
	if _, err := strconv.ParseUint(src, 0, 64); err == nil || isName(src) {
		return src
	}
	return "(" + src + ")"
}

func expandRd(r *runner, args string) ([]string, error) {
	opts, args, err := options(args, "8", "16", "32", "64", "s", "S")
	if err != nil || args == "" {
		return nil, errors.Join(err, errUsageIf(err == nil))
	}
	size := 8
	for _, o := range opts {
		if bits, err := strconv.Atoi(o); err == nil {
			size = bits / 8
		}
	}
	where, count, counted := splitCount(args)
	if !counted {
		count = 1
	}
	return []string{fmt.Sprintf("words(%s, %d, %d)", r.address(where), count, size)}, nil
}

func expandPs(_ *runner, args string) ([]string, error) {
	opts, what, err := options(args, "k", "u", "G")
	if err != nil {
		return nil, err
	}
	tasks, filter := "tasks('all')", ""
	for _, o := range opts {
		switch o {
		case "k":
			filter += " | filter(!.mm)"
		case "u":
			filter += " | filter(.mm)"
		case "G":
			tasks = "tasks()"
		}
	}
	if what != "" {
		pids, names := tasksNamed(what)
		if len(names) == 0 && len(pids) == 1 {
			tasks = "[task(" + pids[0] + ")]"
		} else {
			var conditions []string
			if len(pids) > 0 {
				conditions = append(conditions, ".pid in ["+strings.Join(pids, ", ")+"]")
			}
			if len(names) > 0 {
				conditions = append(conditions, ".comm in ["+strings.Join(names, ", ")+"]")
			}
			filter += " | filter(" + strings.Join(conditions, " || ") + ")"
			tasks = "let found = concat(" + tasks + filter + "); len(found) == 0 ? 'no task matches: " + escape(what) + "' : found"
			filter = ""
		}
	}
	return []string{tasks + filter + " | map([.pid, .real_parent.tgid, #, task_state(#), .comm]) | table('PID', 'PPID', 'TASK', 'STATE', 'COMM')"}, nil
}

// tasksNamed are the process numbers and the names, as strings of the language, that are asked for. A
// name with a blank in it stands in quotes.
func tasksNamed(what string) (pids, names []string) {
	for what = strings.TrimSpace(what); what != ""; what = strings.TrimSpace(what) {
		var word string
		if q := what[0]; q == '\'' || q == '"' {
			word, what, _ = strings.Cut(what[1:], string(q))
		} else {
			word, what, _ = strings.Cut(what, " ")
			if pid, err := strconv.ParseUint(word, 0, 22); err == nil {
				pids = append(pids, strconv.FormatUint(pid, 10))
				continue
			}
		}
		names = append(names, "'"+escape(word)+"'")
	}
	return pids, names
}

// escape is a text as it stands between single quotes.
func escape(s string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) }

func noOptions(args string) error {
	_, rest, err := options(args)
	if err == nil && rest != "" {
		err = errUsage
	}
	return err
}

func expandLog(_ *runner, args string) ([]string, error) { return []string{"dmesg()"}, noOptions(args) }

func expandMod(_ *runner, args string) ([]string, error) {
	_, name, err := options(args)
	if err != nil {
		return nil, err
	}
	if name = strings.Trim(name, `'"`); name != "" {
		return []string{"modules() | filter(.name == '" + escape(name) + "')"}, nil
	}
	return []string{"modules()"}, nil
}

func expandNet(_ *runner, args string) ([]string, error) {
	opts, rest, err := options(args, "a", "s")
	if err != nil {
		return nil, err
	}
	switch {
	case len(opts) == 0 && rest == "":
		return []string{"netdevs() | map([#, .ifindex, .name, ip_addresses(#) | map(.address)]) | table('NET_DEVICE', 'INDEX', 'NAME', 'ADDRESSES')"}, nil
	case len(opts) == 1 && opts[0] == "a" && rest == "":
		return []string{"neighbours() | table('address', 'device', 'lladdr', 'state')"}, nil
	case len(opts) == 1 && opts[0] == "s":
		if pid, err := strconv.ParseUint(rest, 0, 22); err == nil {
			return []string{fmt.Sprintf("sockets('all', task_netns(%d)) | filter(any(socket_owners(.sk), .pid == %d))", pid, pid)}, nil
		}
	}
	return nil, errUsage
}

func expandDev(_ *runner, args string) ([]string, error) {
	return []string{
		"chrdevs | map(chain(#, 'next')) | flatten() | sortBy(.major) | map([.major, .name, .cdev]) | table('CHRDEV', 'NAME', 'CDEV')",
		"major_names | map(chain(#, 'next')) | flatten() | sortBy(.major) | map([.major, .name]) | table('BLKDEV', 'NAME')",
	}, noOptions(args)
}
