package check

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// A page is an answer of explain as one HTML file that needs nothing else: no scripts, no fonts, nothing from
// elsewhere, which its own policy forbids as well. It says what the text says. Names in it come from a kernel that may
// be anybody's, so all text is escaped, by html/template or by [svg]. Kernel addresses are left out, for a page is
// passed on: one of them tells where KASLR put the kernel. So are, as in any output, characters that are for a terminal
// or that hide text. It is well-formed XML, too, which tests make use of.

//go:embed page.css
var pageCSS string

//go:embed page.html
var pageHTML string

// pageTemplate is read when a page is written, not at each start of the program.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"heading": heading,
		"css":     func() template.CSS { return template.CSS(pageCSS) },
	}).Parse(pageHTML))
})

// PageInfo is what a page says of itself.
type PageInfo struct {
	Version string
	Now     time.Time
}

// Page is an answer, ready to be written.
type Page struct {
	Title    string
	Summary  string
	Facts    []pageFact
	Overview []overviewRow // of several devices
	More     int           // devices that are in the overview alone, or left out of it
	Seen     int           // devices looked at, 0 where one was asked for
	Missing  []string      // of the overview
	Devices  []*deviceView
	Version  string
}

// pageFact is a line of the page's head.
type pageFact struct{ Label, Text, Time string }

// overviewRow is a device in the overview.
type overviewRow struct {
	ID, Device, NetNS string // ID is the section's, "" where there is none
	Counters          []counterView
}

// How many devices and rows a page shows. What is beyond that is counted.
const (
	maxPageDevices  = 40
	maxPageOverview = 1000
	maxPageRows     = 200
)

// ReportPage makes a page of the answer for one device.
func ReportPage(s *knet.Stack, r *Report, info PageInfo) *Page {
	v := newDeviceView(s, r, "d1", 2)
	return &Page{
		Title: r.Device + " in " + r.NetNS, Summary: v.Summary, Facts: pageFacts(s, info),
		Devices: []*deviceView{v}, Version: info.Version,
	}
}

// OverviewPage makes a page of the answer for all devices.
func OverviewPage(s *knet.Stack, o *Overview, info PageInfo) *Page {
	p := &Page{
		Title: "All devices that lost frames", Summary: fmt.Sprintf("Losses on %d of %d devices", len(o.Devices), o.Seen),
		Facts: pageFacts(s, info), Seen: o.Seen, Missing: short(o.Missing), Version: info.Version,
	}
	if len(o.Devices) == 0 {
		p.Summary = fmt.Sprintf("No losses: %s are 0 on all %d devices", strings.Join(ExplainedCounters, ", "), o.Seen)
	}
	for i, r := range o.Devices {
		if i == maxPageOverview {
			p.More = len(o.Devices) - i
			break
		}
		row := overviewRow{Device: r.Device, NetNS: r.NetNS, Counters: countersView(r)}
		if i < maxPageDevices {
			row.ID = fmt.Sprintf("d%d", i+1)
			p.Devices = append(p.Devices, newDeviceView(s, r, row.ID, 3))
		}
		p.Overview = append(p.Overview, row)
	}
	return p
}

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	var b strings.Builder
	if err := pageTemplate().Execute(&b, p); err != nil {
		return err
	}
	_, err := io.WriteString(w, hideAddresses(value.Scrub(b.String())))
	return err
}

// heading is a heading of a level, as sections of one device are one level higher where it is the only one.
func heading(level int, id, text string) template.HTML {
	attr := ""
	if id != "" {
		attr = ` id="` + template.HTMLEscapeString(id) + `"`
	}
	return template.HTML(fmt.Sprintf("<h%d%s>%s</h%d>", level, attr, template.HTMLEscapeString(text), level))
}

// kernelAddress matches an address of the kernel's half, such as errors name.
var kernelAddress = regexp.MustCompile(`\b(0x)?ffff[0-9a-f]{12}\b`)

// hideAddresses takes the kernel's addresses out of a text.
func hideAddresses(s string) string { return kernelAddress.ReplaceAllString(s, "(an address)") }

// maxPageText bounds a single text, such as what names all slaves of a bond.
const maxPageText = 2000

// short bounds a list of texts, and each text. What is left out is told.
func short(lines []string) []string {
	var out []string
	for i, l := range lines {
		if i == maxPageRows {
			return append(out, fmt.Sprintf("and %d more", len(lines)-i))
		}
		if len(l) > maxPageText {
			l = strings.ToValidUTF8(l[:maxPageText], "") + "…"
		}
		out = append(out, l)
	}
	return out
}
