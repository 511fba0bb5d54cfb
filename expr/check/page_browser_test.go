package check

import (
	"context"
	"fmt"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kinspect/expr/knet"
	"kinspect/testdata/kernels"
)

// measure is what a browser is asked about a page that it laid out: whether anything is wider than the window, and
// whether texts of drawings fit into their boxes and are large enough to be read. What is wrong goes into an attribute.
const measure = `
const wrong = [];
const page = document.documentElement;
if (page.scrollWidth > window.innerWidth) wrong.push("the page is " + page.scrollWidth + " wide");
let drawings = 0;
for (const svg of document.querySelectorAll("svg")) {
  if (getComputedStyle(svg).display === "none") continue;
  drawings++;
  const area = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll("rect")].filter(r => !r.classList.contains("none")).map(r => r.getBoundingClientRect());
  for (const text of svg.querySelectorAll("text")) {
    const t = text.getBoundingClientRect();
    const size = parseFloat(getComputedStyle(text).fontSize) * area.width / svg.viewBox.baseVal.width;
    if (size < 10.5) wrong.push("a text of " + size.toFixed(1) + " px: " + text.textContent);
    if (t.right > area.right + 1) wrong.push("a text leaves the drawing: " + text.textContent);
    for (const b of boxes) {
      const begins = t.left >= b.left && t.left <= b.right && t.top + t.height / 2 >= b.top && t.top + t.height / 2 <= b.bottom;
      if (begins && t.right > b.right + 1) wrong.push("a text leaves its box: " + text.textContent);
    }
  }
}
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
page.setAttribute("data-measured", window.innerWidth + " px, " + drawings + " drawings, ground " + getComputedStyle(document.body).backgroundColor + ", dark " + dark);
page.setAttribute("data-wrong", wrong.join("; "));
`

// TestPageInBrowser lays pages out in Chromium, where there is one: on screens from a phone's to a wide one, light and
// dark. (It is 300 MB, so .ci/run installs none.) The script that measures is the test's own, and so is the policy that lets it run.
func TestPageInBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium here")
	}
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	incident, scenes := pageStack(kernels.Open(t, "7.3")), pageStack(kernels.OpenScenarios(t))
	pages := map[string]*Page{"incident": ReportPage(incident, reportOn(t, incident, "bond0"), testPageInfo)}
	for _, name := range []string{"plain0", "idle1", "vl0", "vl0.5", "mixed0", "br0"} {
		pages[name] = ReportPage(scenes, reportOn(t, scenes, name), testPageInfo)
	}
	ns, err := scenes.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	o, err := ExplainAll(scenes, []knet.NetNS{ns})
	if err != nil {
		t.Fatal(err)
	}
	pages["overview"] = OverviewPage(scenes, o, testPageInfo)
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	for _, dark := range []bool{false, true} {
		// Each page in frames of all widths: for its style, a frame's width is the screen's.
		var all strings.Builder
		var want []string
		all.WriteString("<!DOCTYPE html><html><body>")
		for name, page := range pages {
			text := policy.ReplaceAllString(written(t, page), "")
			text = strings.Replace(text, "</body>", "<script>"+measure+"</script></body>", 1)
			drawings := 0
			for _, d := range page.Devices {
				drawings += len(d.Drawings)
			}
			ground := "rgb(246, 247, 249)"
			if dark {
				ground = "rgb(16, 20, 25)"
			}
			for _, width := range []int{360, 768, 840, 1280, 1600} {
				fmt.Fprintf(&all, `<iframe name="%s" width="%d" height="900" style="border: 0" srcdoc="%s"></iframe>`, name, width, html.EscapeString(text))
				want = append(want, fmt.Sprintf("%s: %d px, %d drawings, ground %s, dark %v", name, width, drawings, ground, dark))
			}
		}
		all.WriteString("<script>" + collect + "</script></body></html>")
		out := inBrowser(t, browser, all.String(), dark)
		for _, w := range want {
			found, wrong, ok := strings.Cut(cutAfter(out, w), "|")
			if !ok || found != "" {
				t.Errorf("not laid out: %s", w)
			} else if wrong, _, _ = strings.Cut(wrong, "\n"); wrong != "" {
				t.Errorf("%s: %s", w, wrong)
			}
		}
		if t.Failed() {
			t.Logf("laid out:\n%s", out)
		}
	}
}

// cutAfter is what follows a text's first appearance.
func cutAfter(s, sep string) string {
	_, after, _ := strings.Cut(s, sep)
	return after
}

// collect gathers what the frames measured, a line each.
const collect = `
addEventListener("load", () => {
  const lines = [...document.querySelectorAll("iframe")].map(f => {
    const d = f.contentDocument.documentElement.dataset;
    f.removeAttribute("srcdoc");
    return f.name + ": " + d.measured + "|" + d.wrong;
  });
  document.body.textContent = "MEASURED\n" + lines.join("\n") + "\nEND";
});
`

// inBrowser opens a page, and returns what its frames measured.
func inBrowser(t *testing.T, browser, page string, dark bool) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	scheme := 1
	if dark {
		scheme = 0
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--user-data-dir="+filepath.Join(dir, "profile"), fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme),
		"--window-size=1700,2000", "--dump-dom", (&url.URL{Scheme: "file", Path: file}).String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	text, _, ok := strings.Cut(cutAfter(string(out), "MEASURED"), "END")
	if !ok {
		t.Fatalf("the browser measured nothing: %.300s", out)
	}
	return html.UnescapeString(text)
}
