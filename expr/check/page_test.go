package check

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

var testPageInfo = PageInfo{Version: "v1.2.3 abcdef", Now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}

func pageStack(img *kmem.Image) *knet.Stack { return knet.New(value.New(img, img), host.None{}) }

// reportOn explains a device of init_net.
func reportOn(t *testing.T, s *knet.Stack, name string) *Report {
	t.Helper()
	ns, err := s.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Device(name, ns)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Explain(s, d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func written(t *testing.T, p *Page) string {
	t.Helper()
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// element is an element of a page.
type element struct {
	name  string
	attrs map[string]string
	text  string // of it and all below
	below []*element
}

func (e *element) each(name string, visit func(*element)) {
	if e.name == name || name == "" {
		visit(e)
	}
	for _, b := range e.below {
		b.each(name, visit)
	}
}

func (e *element) all(name string) []*element {
	var out []*element
	e.each(name, func(e *element) { out = append(out, e) })
	return out
}

// parsePage reads a page as strict XML, which a page is as well.
func parsePage(t *testing.T, page string) *element {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(page))
	root := &element{}
	open := []*element{root}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		top := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{name: tok.Name.Local, attrs: map[string]string{}}
			for _, a := range tok.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			top.below = append(top.below, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
			open[len(open)-1].text += " " + top.text
		case xml.CharData:
			top.text += string(tok)
		}
	}
	return root
}

// checkPage is what holds for every page.
func checkPage(t *testing.T, page string) *element {
	t.Helper()
	root := parsePage(t, page)
	if n := len(root.all("h1")); n != 1 {
		t.Errorf("%d first headings", n)
	}
	for _, name := range []string{"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use", "foreignObject", "animate", "set"} {
		if len(root.all(name)) > 0 {
			t.Errorf("the page has a %s", name)
		}
	}
	ids := map[string]bool{}
	level := 0
	root.each("", func(e *element) {
		for name, v := range e.attrs {
			switch {
			case name == "href" && !strings.HasPrefix(v, "#"), name == "src", name == "style", strings.HasPrefix(name, "on"):
				t.Errorf("<%s %s=%q>", e.name, name, v)
			case name == "id" && ids[v]:
				t.Errorf("two elements have the id %q", v)
			case name == "id":
				ids[v] = true
			}
		}
		if len(e.name) == 2 && e.name[0] == 'h' && e.name != "hr" {
			now := int(e.name[1] - '0')
			if now > level+1 && e.attrs["class"] != "of" {
				t.Errorf("a heading of level %d follows one of level %d: %s", now, level, e.text)
			}
			level = now
		}
	})
	root.each("", func(e *element) {
		for _, name := range []string{"aria-labelledby", "href"} {
			for id := range strings.FieldsSeq(e.attrs[name]) {
				if !ids[strings.TrimPrefix(id, "#")] {
					t.Errorf("<%s> refers to %q, which is not there", e.name, id)
				}
			}
		}
	})
	for _, th := range root.all("th") {
		if th.attrs["scope"] == "" {
			t.Errorf("a header cell without a scope: %s", th.text)
		}
	}
	for _, svg := range root.all("svg") {
		if len(svg.below) < 3 || svg.below[0].name != "title" || svg.below[1].name != "desc" || strings.TrimSpace(svg.below[1].text) == "" || svg.attrs["role"] != "img" {
			t.Error("a drawing without title and description")
		}
		checkDrawing(t, svg)
	}
	if outside := regexp.MustCompile(`(?i)(https?:|url\(|@import|javascript:)[^"]*`).FindAllString(strings.ReplaceAll(page, `xmlns="http://www.w3.org/2000/svg"`, ""), -1); len(outside) > 0 {
		t.Errorf("the page names something outside: %q", outside)
	}
	if !strings.Contains(page, `http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';`) {
		t.Error("the page has no policy")
	}
	if a := regexp.MustCompile(`ffff[0-9a-f]{12}`).FindString(page); a != "" {
		t.Errorf("the page has a kernel address: %s", a)
	}
	for _, e := range root.all("text") {
		if strings.ContainsFunc(e.text, func(r rune) bool { return r < ' ' }) {
			t.Errorf("control characters: %q", e.text)
		}
	}
	return root
}

// checkDrawing: boxes lie within the drawing and on none other, and each text begins within it.
func checkDrawing(t *testing.T, svg *element) {
	t.Helper()
	var x, y, width, height float64
	if _, err := fmt.Sscan(svg.attrs["viewBox"], &x, &y, &width, &height); err != nil {
		t.Fatal(err)
	}
	number := func(e *element, name string) (n float64) {
		if _, err := fmt.Sscan(e.attrs[name], &n); err != nil {
			t.Fatalf("%s=%q: %v", name, e.attrs[name], err)
		}
		return n
	}
	type rect struct{ x, y, right, bottom float64 }
	var seen []rect
	for _, e := range svg.all("rect") {
		r := rect{number(e, "x"), number(e, "y"), 0, 0}
		r.right, r.bottom = r.x+number(e, "width"), r.y+number(e, "height")
		if e.attrs["class"] != "none" {
			if r.x < x || r.y < y || r.right > x+width || r.bottom > y+height {
				t.Errorf("a box %v outside of the drawing %v", r, svg.attrs["viewBox"])
			}
			for _, o := range seen {
				if r.x < o.right && o.x < r.right && r.y < o.bottom && o.y < r.bottom {
					t.Errorf("boxes %v and %v lie on one another", r, o)
				}
			}
			seen = append(seen, r)
		}
	}
	for _, e := range svg.all("text") {
		if tx, ty := number(e, "x"), number(e, "y"); tx < x || tx > x+width || ty < y || ty > y+height {
			t.Errorf("a text at %v, %v outside of the drawing: %s", tx, ty, e.text)
		}
	}
}

// checkReport: the page says what the answer says.
func checkReport(t *testing.T, root *element, r *Report) {
	t.Helper()
	all := strings.Join(strings.Fields(root.text), " ")
	has := func(what string) {
		t.Helper()
		if want := strings.Join(strings.Fields(hideAddresses(what)), " "); !strings.Contains(all, want) {
			t.Errorf("%s: the page does not have %q", r.Device, want)
		}
	}
	drawn := ""
	for _, svg := range root.all("svg") {
		drawn += " " + svg.text
	}
	for i := range r.Counters {
		c := &r.Counters[i]
		has(c.Counter)
		if c.quiet() {
			continue
		}
		has(c.headline())
		for _, n := range []*uint64{c.Total, c.Own, c.KernelTotal} {
			if n != nil {
				has(fmt.Sprint(*n))
			}
		}
		for _, p := range c.DriverParts {
			has(fmt.Sprintf("%s %d", p.From, p.Value))
		}
		for _, s := range c.SlaveTotals {
			has(s.Device + " " + text(s.Total))
		}
		for _, p := range c.Paths {
			has(p.ID)
			if p.Verdict == RuledOut && *c.Own == 0 && !c.inherits(p.ID) {
				continue
			}
			has(p.Condition)
			has(string(p.Level))
			has(p.DropReason)
			if p.Verdict != RuledOut {
				has(p.Do)
			}
			for _, e := range p.Evidence {
				has(e)
			}
			if p.Verdict != RuledOut && !strings.Contains(drawn, p.ID) {
				t.Errorf("%s: the drawing does not have the path %s", r.Device, p.ID)
			}
			if p.Verdict != RuledOut && !strings.Contains(drawn, string(p.Verdict)+", "+string(p.Level)) {
				t.Errorf("%s: the drawing does not say %s, %s", r.Device, p.Verdict, p.Level)
			}
		}
	}
	for _, lines := range [][]string{r.Path, r.Notes, r.Missing} {
		for _, l := range lines {
			has(l)
		}
	}
	for _, n := range r.Next {
		v := splitNext(n)
		has(v.What)
		has(v.Command)
		has(v.Note)
	}
	has(r.Kernel)
	has(r.Source)
	has("2026-05-06 07:08:09 UTC")
	has("kinspect v1.2.3 abcdef")
}

func TestReportPage(t *testing.T) {
	for _, series := range kernels.Series {
		s := pageStack(kernels.Open(t, series))
		for _, name := range []string{"bond0", "veth0", "veth1", "lo"} {
			t.Run(series+"/"+name, func(t *testing.T) {
				r := reportOn(t, s, name)
				root := checkPage(t, written(t, ReportPage(s, r, testPageInfo)))
				checkReport(t, root, r)
			})
		}
	}
	t.Run("scenarios", func(t *testing.T) {
		if testing.Short() {
			t.Skip("a long loop, in one goroutine")
		}
		s := pageStack(kernels.OpenScenarios(t))
		ns, err := s.InitNS()
		if err != nil {
			t.Fatal(err)
		}
		devs, err := s.Devices(ns)
		if err != nil || len(devs) < 20 {
			t.Fatalf("%d devices, %v", len(devs), err)
		}
		for _, d := range devs {
			r, err := Explain(s, d)
			if err != nil {
				t.Fatal(err)
			}
			checkReport(t, checkPage(t, written(t, ReportPage(s, r, testPageInfo))), r)
		}
		o, err := ExplainAll(s, []knet.NetNS{ns})
		if err != nil {
			t.Fatal(err)
		}
		root := checkPage(t, written(t, OverviewPage(s, o, testPageInfo)))
		if n := len(root.all("h2")); n < len(o.Devices) {
			t.Errorf("%d sections of %d devices", n, len(o.Devices))
		}
		for _, r := range o.Devices {
			checkReport(t, root, r)
		}
	})
}

// hostileText is in place of every string of an answer.
const hostileText = `</title></style><script>alert(1)</script><img src=x onerror=alert(2)> " ' & {{.}} ]]> <!-- ` + "\x00\x1b[31m\xff \u202e 0xffff888004a80000 https://example.org/ javascript:x %s"

// fillStrings sets all strings below v to s.
func fillStrings(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() && v.Type() != reflect.TypeFor[Verdict]() && v.Type() != reflect.TypeFor[Level]() {
			v.SetString(s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillStrings(v.Field(i), s)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fillStrings(v.Index(i), s)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fillStrings(v.Elem(), s)
		}
	}
}

// TestHostilePage: no name out of a dump becomes a part of the page's own text.
func TestHostilePage(t *testing.T) {
	s := pageStack(kernels.OpenScenarios(t))
	for _, name := range []string{"bond0", "mixed0", "vl0", "flood0p", "br0"} {
		r := reportOn(t, s, name)
		lists := [][]string{r.Notes, r.Next, r.Missing, r.Path}
		fillStrings(reflect.ValueOf(r).Elem(), hostileText)
		for _, l := range lists {
			fillStrings(reflect.ValueOf(l), hostileText)
		}
		d := r.drawing
		d.device, d.what, d.rxHandler = hostileText, hostileText, hostileText
		d.taps = []string{hostileText}
		d.protocols = []protocol{{hostileText, hostileText, hostileText}}
		for i := range d.lanes {
			l := &d.lanes[i]
			l.name, l.state, l.how, l.probe, l.note = hostileText, hostileText, hostileText, hostileText, hostileText
		}
		o := &Overview{Devices: []*Report{r, r}, Seen: 2, Missing: []string{hostileText}}
		for _, p := range []*Page{
			ReportPage(s, r, PageInfo{Version: hostileText, Now: testPageInfo.Now}),
			OverviewPage(s, o, PageInfo{Version: hostileText, Now: testPageInfo.Now}),
		} {
			page := strings.NewReplacer("https:", "", "javascript:", "").Replace(written(t, p))
			checkPage(t, page)
			for _, c := range []string{"\x00", "\x1b", "\xff", "\u202e", "<script", "<img", "(MISSING)", "(EXTRA"} {
				if strings.Contains(page, c) {
					t.Errorf("the page of %s has %q", name, c)
				}
			}
		}
	}
}

// TestLargePage: a page stays small, whatever there are many of.
func TestLargePage(t *testing.T) {
	if testing.Short() {
		t.Skip("a long loop, in one goroutine")
	}
	s := pageStack(kernels.Open(t, "6.12"))
	r := reportOn(t, s, "bond0")
	const many = 1500
	for range many {
		r.Handlers = append(r.Handlers, r.Handlers[0])
		r.drawing.protocols = append(r.drawing.protocols, r.drawing.protocols[0])
		r.drawing.lanes = append(r.drawing.lanes, r.drawing.lanes[0])
		r.drawing.taps = append(r.drawing.taps, "packet_rcv (packet socket of init_net)")
		r.Softnet.PerCPU = append(r.Softnet.PerCPU, CPU{1, 2, 3})
		r.Counters[0].SlaveTotals = append(r.Counters[0].SlaveTotals, r.Counters[0].SlaveTotals[0])
		r.NoHandler = append(r.NoHandler, r.NoHandler[0])
		r.Notes = append(r.Notes, "one note of many")
		r.Missing = append(r.Missing, "one of many that could not be read")
		r.Next = append(r.Next, "do this: ip link")
		r.Path = append(r.Path, "veth0 (active slave)")
		r.Counters[0].Paths[0].Evidence = append(r.Counters[0].Paths[0].Evidence, "one more")
	}
	page := written(t, ReportPage(s, r, testPageInfo))
	checkPage(t, page)
	if n := len(page); n > 400<<10 {
		t.Errorf("%d bytes of one device", n)
	}
	o := &Overview{Seen: many}
	for range many {
		o.Devices = append(o.Devices, r)
		o.Missing = append(o.Missing, "one of many that could not be read")
	}
	page = written(t, OverviewPage(s, o, testPageInfo))
	if n := len(page); n > 40*400<<10 {
		t.Errorf("%d bytes of %d devices", n, many)
	}
	if !strings.Contains(page, "500 more that show a loss are left out of this page") {
		t.Error("the page does not say what it leaves out")
	}
}

// TestStages: each path leaves the way at a stage that is known.
func TestStages(t *testing.T) {
	known := map[string]bool{"slaves": true}
	for _, p := range paths {
		known[p.id] = true
		if _, ok := pathStages[p.id]; !ok {
			t.Errorf("where on the way the path %s leaves it is not known", p.id)
		}
	}
	for id := range pathStages {
		if !known[id] {
			t.Errorf("there is no path %s", id)
		}
	}
	for _, row := range driverPathTable {
		key := stageOf(row.counter, PathResult{ID: row.id, Function: row.function})
		if sends := strings.HasPrefix(row.counter, "tx_"); sends != (key == stageTransmit) || !sends && key != stageEntry {
			t.Errorf("%s of %s is at %s", row.id, row.counter, key)
		}
	}
}

func TestFitLines(t *testing.T) {
	for _, c := range []struct {
		text  string
		width float64
		most  int
		want  []string
	}{
		{"", 10, 3, nil},
		{"one two three", 100, 3, []string{"one two three"}},
		{"one two three", 5, 3, []string{"one two", "three"}},
		{"one two three", 5.4, 1, []string{"one two…"}},
		{"__netif_receive_skb_core", 8, 9, []string{"__netif_", "receive_skb_", "core"}},
		{"aaaaaaaaaa", 3, 2, []string{"aaaa", "aa…"}},
		{"\xff€", 0.1, 9, []string{`\`, "x", "f", "f", "€"}},
	} {
		got := fitLines(c.text, c.width, c.most)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q in %v: %q", c.text, c.width, got)
		}
	}
}

func TestSplitNext(t *testing.T) {
	for in, want := range map[string]nextView{
		"see which CPU drops: column 2 of /proc/net/softnet_stat": {What: "see which CPU drops: column 2 of /proc/net/softnet_stat"},
		"what veth1 counted: kinspect explain veth1":              {"what veth1 counted", "kinspect explain veth1", ""},
		"see it: tcpdump -i x 'not ip' (it takes frames)":         {"see it", "tcpdump -i x 'not ip'", "(it takes frames)"},
	} {
		if got := splitNext(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// TestContrast: text is told from its ground as WCAG asks of level AA, 4.5 to 1, light and dark; what marks a verdict,
// 3 to 1.
func TestContrast(t *testing.T) {
	themes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(pageCSS, -1)
	if len(themes) != 3 {
		t.Fatalf("%d themes", len(themes))
	}
	for i, theme := range themes {
		colors := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(theme[1], -1) {
			colors[m[1]] = luminance(t, m[2])
		}
		check := func(least float64, ink string, grounds ...string) {
			for _, ground := range grounds {
				a, b := colors[ink], colors[ground]
				if colors[ink] == 0 && ink != "ink" && ink != "link" {
					t.Errorf("theme %d has no color %s", i, ink)
				}
				if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < least {
					t.Errorf("theme %d: %s on %s has a contrast of %.2f", i, ink, ground, ratio)
				}
			}
		}
		check(4.5, "ink", "ground", "paper", "head", "code", "lost-paper", "maybe-paper")
		check(4.5, "soft", "ground", "paper", "head", "lost-paper", "maybe-paper")
		check(4.5, "link", "ground", "paper")
		check(4.5, "lost", "paper", "lost-paper", "head")
		check(4.5, "maybe", "paper", "maybe-paper")
		check(3, "flow", "paper")
	}
}

// luminance is that of a color in sRGB, as WCAG 2 has it.
func luminance(t *testing.T, hex string) float64 {
	var rgb [3]uint8
	if _, err := fmt.Sscanf(hex, "%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		t.Fatal(err)
	}
	l := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb[i]) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		l += weight * c
	}
	return l
}
