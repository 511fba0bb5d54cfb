package main

import (
	"encoding/json"
	"testing"

	"kinspect/testdata/lab/results"
)

// TestLabSlabAllocated: the objects of two caches are as many as what they are of, but for a few that are about to be
// freed: the areas of all processes, and the tasks, with the idle ones of all CPUs but the first. As /proc/slabinfo
// counts they would be three times as many.
func TestLabSlabAllocated(t *testing.T) {
	for _, dump := range results.Find(t, "incident.elf", "scenarios.elf", "vmcore.elf") {
		out, _ := child(t, "", "--core", dump, "--json", "eval", `[
			slab_cache('vm_area_struct').allocated, tasks() | filter(.mm != NULL) | map(.mm.map_count) | sum(),
			slab_cache('task_struct').allocated, (tasks('all') | count()) + 1,
			slab_caches() | filter(slab_cache(.name).allocated > .active) | count(), slab_cache('vm_area_struct').active]`)
		var answer struct {
			Value []int `json:"value"`
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Value) != 6 {
			t.Fatalf("%s: %v: %s", dump, err, out)
		}
		v := answer.Value
		if v[0] < v[1] || v[0] > v[1]+20 || v[2] < v[3] || v[2] > v[3]+10 || v[4] != 0 || v[5] < v[0] {
			t.Errorf("%s: %d areas for %d, %d tasks for %d, %d caches with more objects than are active, %d areas active", dump, v[0], v[1], v[2], v[3], v[4], v[5])
		}
	}
}
