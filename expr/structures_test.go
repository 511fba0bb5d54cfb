package expr

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"kinspect/expr/value"
)

func TestStructures(t *testing.T) {
	eachKernel(t, func(t *testing.T, s *Session) {
		cases(t, s, [][2]string{
			{"list_for_each(init_net.dev_base_head, 'struct net_device', 'dev_list') | take(2) | map(.name)", `["lo", "veth0p"]`},
			{"list_for_each(addr(init_net.dev_base_head), 'struct net_device', 'dev_list') | any(.name == 'bond0')", "true"},
			{"first(list_for_each(init_net.dev_base_head, 'struct net_device', 'dev_list')) == netdev('lo')", "true"},
			{"llist_for_each(init_net, 'struct net_device', 'dev_list')", "error: what is walked has to be a struct llist_head, or a pointer to one: struct net is neither"},
			{"plist_for_each(5, 'struct net_device', 'dev_list')", "error: what is walked has to be a value of the kernel…"},
			{"hlist_for_each(init_net.dev_name_head[0], 'struct net_device', 'mtu')", "error: mtu of struct net_device is no struct hlist_node, which links a hlist_head"},
			{"hlist_for_each(init_net.dev_name_head[0], 'struct net_device', 'nope')", `error: struct net_device has no member "nope"…`},
			{"hlist_for_each(init_net.dev_name_head[0], 'u32', 'x')", "error: …"},
			{"hlist_for_each(init_net.dev_base_head, 'struct net_device', 'name_hlist')", "error: what is walked has to be a struct hlist_head…"},
			{"rbtree_for_each(init_net.dev_base_head, 'struct net_device', 'dev_list')", "error: what is walked has to be a struct rb_root or struct rb_root_cached or struct rb_root_linked, or a pointer to one: struct list_head is neither"},
			{"idr_for_each(init_net, 'struct bpf_prog')", "error: what is walked has to be a struct idr…"},
			{"idr_find(prog_idr, 'x')", `error: an index has to be an integer, not the string "x"`},
			{"idr_find(prog_idr, 1099511627776)", "nil"},
			{"idr_find(prog_idr, 100000)", "nil"},
			{"xa_load(prog_idr.idr_rt, 0)", "nil"},
			{"possible_cpus()", "[0, 1]"},
			{"cpumask(__cpu_possible_mask)", "[0, 1]"},
			{"cpumask(init_net)", "error: struct net is no struct cpumask…"},
			{"per_cpu_sum(softnet_data.processed) == (possible_cpus() | sum(per_cpu(softnet_data, #).processed))", "true"},
			{"per_cpu_sum(softnet_data, 'processed') == per_cpu_sum(softnet_data.processed)", "true"},
			{"per_cpu_sum(softnet_data)", "error: struct softnet_data has …"},
			{"per_cpu_sum(init_net)", "error: struct net is neither a per-CPU variable nor a per-CPU pointer"},
			{"per_cpu_ptr(softnet_data, 1).processed == per_cpu(softnet_data, 1).processed", "true"},
			{"per_cpu_ptr(softnet_data, -1)", "error: there is no CPU -1…"},
			{"percpu_counter_sum(init_net)", "error: what is summed up has to be a struct percpu_counter…"},
			{"tasks('some')", `error: tasks('all') are those of every thread: there is no "some"`},
			{"task_state(init_net)", "error: a task has to be a struct task_struct…"},
			{"task('x')", "error: a task is a struct task_struct, or the number of one, not the string \"x\""},
			{"file_path(init_net)", "error: what has a path has to be a struct file or struct path…"},
		})
	})
}

// TestRecords has a function give records.
func TestRecords(t *testing.T) {
	s := testKernel(t, "6.12")
	logged := func(nsec uint64, level int, text string) *Record {
		return newRecord(func() string { return logLines(nsec, text) }, "time", float64(nsec)/1e9, "level", level, "text", text)
	}
	list := []any{
		logged(1_234_567_891, 3, "one\ntwo"),
		logged(12_345_678_912_345, 6, "tab\tand \\ and \x1b[2J"),
	}
	s.Register(Function{Name: "logs", Call: func(c *Call) (any, error) {
		return &Sequence{Of: "messages", Each: func(visit func(any) error) error {
			for _, r := range list {
				if err := visit(r); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}})
	cases(t, s, [][2]string{
		{"logs()", "[    1.234567] one\n[    1.234567] two\n[12345.678912] tab\tand \\ and \\x1b[2J"},
		{"logs() | filter(.level <= 3)", "[    1.234567] one\n[    1.234567] two"},
		{"logs() | map(.level)", "[3, 6]"},
		{"logs() | map(#['level'])", "[3, 6]"},
		{"logs() | filter(.text contains 'tab') | map(.time > 12345)", "[true]"},
		{"first(logs()).text", `"one\x0atwo"`},
		{"first(logs()).txt", `error: there is no member "txt" here; did you mean text?`},
		{"first(logs())", "[    1.234567] one\n[    1.234567] two"},
		{"groupBy(logs(), .level) | keys()", `["3", "6"]`},
	})
	r, err := s.Eval(context.Background(), "logs() | take(1)")
	if err != nil {
		t.Fatal(err)
	}
	j, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(j)
	if want := `{"value":[{"level":3,"text":"one\ntwo","time":1.234567891}]}`; err != nil || string(out) != want {
		t.Errorf("%s, %v, want %s", out, err, want)
	}
	text, err := Result{Value: []any{list[0], 5}}.Text(value.DefaultFormat)
	if err != nil || !strings.HasPrefix(text, "[\n") {
		t.Errorf("a list of something else, too: %q, %v", text, err)
	}
}
