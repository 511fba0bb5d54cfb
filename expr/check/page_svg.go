package check

import (
	"encoding/xml"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"kinspect/expr/value"
)

// A drawing is a line that frames run along, downwards, past a box for each stage. Devices below are boxes beside the
// line, which they join. What is lost leaves the stage's box by an arrow with the number of frames on it, to a box that
// says which path that is: on a wide screen at the right, on a narrow one below. A verdict is told by the shape of the
// line and its mark, and in words; its colour only repeats it.

// drawingShape is how wide a drawing is, and where its branches are. Lengths are in the drawing's own units, which are
// pixels where it is not scaled.
type drawingShape struct {
	name                string
	width               float64
	stageWidth          float64 // of a stage's box
	branchX, branchWide float64
	beside              bool // branches are at the right of their stage
}

var (
	wideDrawing   = drawingShape{"wide", 780, 356, 466, 314, true}
	narrowDrawing = drawingShape{"narrow", 320, 320, 56, 264, false}
)

const (
	svgPad     = 10.0 // within a box
	svgGap     = 34.0 // between stages, where the arrow is
	svgLineX   = 18.0 // of the line that frames run along
	svgLaneX   = 58.0 // of the boxes beside it
	svgStub    = 18.0 // from such a box to the mark that its frames stop
	svgTrunk   = 36.0 // from a box's left edge to the line of its branches, below it
	svgSign    = 13.0 // from a branch's mark to its box
	titleSize  = 14.0
	textSize   = 12.5
	titleLead  = 19.0
	textLead   = 16.5
	markRadius = 9.0
)

// svg collects a drawing's elements. Text goes in by [svg.text] and [svg.escaped] alone.
type svg struct {
	strings.Builder
	y float64
}

func (s *svg) add(format string, args ...any) { fmt.Fprintf(&s.Builder, format, args...) }

func (s *svg) escaped(text string) { _ = xml.EscapeText(&s.Builder, []byte(value.Scrub(text))) }

// text writes one line whose baseline is at y.
func (s *svg) text(x, y float64, class, text string) {
	s.add(`<text class="%s" x="%.1f" y="%.1f">`, class, x, y)
	s.escaped(text)
	s.add("</text>")
}

func (s *svg) path(class, format string, args ...any) {
	s.add(`<path class="%s" d="`+format+`"/>`, append([]any{class}, args...)...)
}

// box is a box with lines of text, whose height is known before it is written.
type box struct {
	class string
	lines []boxLine
}

type boxLine struct{ class, text string }

// put adds a text, broken into lines of what fits into width; at most most of them.
func (b *box) put(class, text string, width float64, most int) {
	size := textSize
	if strings.Contains(class, "title") {
		size = titleSize * 1.1 // as bold is wider
	}
	if strings.Contains(class, "code") {
		size *= 1.02
	}
	for _, l := range fitLines(text, width/size, most) {
		b.lines = append(b.lines, boxLine{class, l})
	}
}

func (b *box) height() float64 {
	h := 2 * svgPad
	for _, l := range b.lines {
		h += lead(l)
	}
	return h - 4
}

func lead(l boxLine) float64 {
	if strings.Contains(l.class, "title") {
		return titleLead
	}
	return textLead
}

func (s *svg) box(b box, x, y, width float64) {
	s.add(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6"/>`, b.class, x, y, width, b.height())
	at := y + svgPad - 5
	for _, l := range b.lines {
		at += lead(l)
		s.text(x+svgPad+2, at, l.class, l.text)
	}
}

// drawSVG draws stages.
func drawSVG(id, title string, stages []stage, shape drawingShape) template.HTML {
	s := &svg{y: 1}
	from := -1.0 // where the line begins
	for i, st := range stages {
		next := i+1 < len(stages)
		b := stageBox(st, shape)
		x, width := 0.0, shape.stageWidth
		if st.lane {
			x, width = svgLaneX, shape.stageWidth-svgLaneX
		}
		if i > 0 && !st.lane && from >= 0 {
			s.arrow(svgLineX, from, s.y)
			if st.taken != nil {
				s.text(svgLineX+14, s.y-svgGap/2+4, "count", fmt.Sprintf("rx_packets %d", *st.taken))
			}
		}
		top := s.y
		s.box(b, x, top, width)
		bottom := top + b.height()
		s.y = bottom
		mid := top + min(b.height()/2, 24)
		switch {
		case st.aside:
		case st.lane && st.stops:
			s.path("flow ends", "M%.1f %.1fH%.1f", x, mid, x-svgStub)
			s.cross(x-svgStub, mid, "x")
		case st.lane:
			class := "flow"
			if st.unsure {
				class = "flow unsure"
			}
			s.path(class, "M%.1f %.1fH%.1fQ%.1f %.1f %.1f %.1f", x, mid, svgLineX+8, svgLineX, mid, svgLineX, mid+8)
			if from < 0 {
				from = mid + 8
			}
		default:
			from = bottom
		}
		if st.lane && st.taken != nil {
			at := x + 2
			if !shape.beside && len(st.shown()) > 0 {
				at = x + svgTrunk + 8 // beside the branches' line
			}
			s.text(at, bottom+16, "count", fmt.Sprintf("rx_packets %d", *st.taken))
			s.y += 14
		}
		s.branches(st, shape, stageEdges{x, x + width, mid, bottom})
		if next {
			switch {
			case st.lane && stages[i+1].lane:
				s.y += svgGap - 16
			case st.lane:
				s.y += svgGap + 12 // two counts, one above the other
			default:
				s.y += svgGap
			}
		}
	}
	var out svg
	out.add(`<svg class="%s" xmlns="http://www.w3.org/2000/svg" viewBox="-1 0 %.0f %.0f" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">`, shape.name, shape.width+2, s.y+4, id, id, id)
	out.escaped(title)
	out.add(`</title><desc id="%s-d">`, id)
	out.escaped(describe(stages))
	out.add("</desc>")
	out.WriteString(s.String())
	out.add("</svg>")
	return template.HTML(out.String())
}

// stageBox is a stage's box.
func stageBox(st stage, shape drawingShape) box {
	b := box{class: "stage"}
	if st.key == "origin" || st.lane {
		b.class = "stage other"
	}
	width := shape.stageWidth - 2*svgPad - 4
	if st.lane {
		width -= svgLaneX
	}
	b.put("title", st.title, width, 2)
	if st.code != "" {
		b.put("code", st.code, width, 2)
	}
	for _, l := range st.lines {
		class := "line"
		if strings.HasPrefix(l, "lost here") {
			class, l = "line lost", "✕ "+l
		}
		b.put(class, l, width, 4)
	}
	return b
}

// arrow is the line from one stage to the next.
func (s *svg) arrow(x, from, to float64) {
	s.path("flow", "M%.1f %.1fV%.1f", x, from, to-6)
	s.path("head", "M%.1f %.1fl-5 -9h10z", x, to-1)
}

// cross is the mark of where frames are lost.
func (s *svg) cross(x, y float64, class string) {
	const r = 4.0
	s.add(`<circle class="mark %s" cx="%.1f" cy="%.1f" r="%.0f"/>`, class, x, y, markRadius)
	s.path("sign "+class, "M%.1f %.1fL%.1f %.1fM%.1f %.1fL%.1f %.1f", x-r, y-r, x+r, y+r, x-r, y+r, x+r, y-r)
}

// shown are the branches that frames took, or may have; first those that they took.
func (st *stage) shown() []branch {
	shown := slices.DeleteFunc(slices.Clone(st.branches), func(b branch) bool { return b.path.Verdict == RuledOut })
	slices.SortStableFunc(shown, func(a, b branch) int { return strings.Compare(class(a.path.Verdict), class(b.path.Verdict)) })
	return shown
}

// stageEdges is where a stage's box was drawn.
type stageEdges struct{ left, right, middle, bottom float64 }

// branches draws what leaves a stage.
func (s *svg) branches(st stage, shape drawingShape, at stageEdges) {
	shown, out := st.shown(), ruledOutText(st.branches)
	switch {
	case len(shown) == 0 && out == "":
	case shape.beside:
		s.beside(shown, out, shape, at)
	default:
		s.under(shown, out, shape, at)
	}
}

// under draws branches below their stage. The way itself goes on at the left of them.
func (s *svg) under(shown []branch, out string, shape drawingShape, edges stageEdges) {
	trunk := edges.left + svgTrunk
	x := max(shape.branchX, trunk+svgSign+22)
	width := shape.width - x
	from, y := edges.bottom, s.y
	for _, br := range shown {
		verdict := br.path.Verdict
		y += 26
		at := y + 20
		b := branchBox(br, width-2*svgPad-4)
		s.path("branch "+class(verdict), "M%.1f %.1fV%.1fH%.1f", trunk, from, at, x-svgSign)
		s.box(b, x, y, width)
		s.sign(x-svgSign, at, verdict)
		s.text(trunk+8, y-8, "count "+class(verdict), arrowCount(br.path, width))
		from = at
		y += b.height()
	}
	if out != "" {
		b := box{class: "none"}
		b.put("out", out, shape.width-trunk, 8)
		s.box(b, trunk-svgPad-2, y, shape.width-trunk)
		y += b.height() - 6
	}
	s.y = y
}

// beside draws branches at the right of their stage.
func (s *svg) beside(shown []branch, out string, shape drawingShape, edges stageEdges) {
	mid, right := edges.middle, edges.right
	y := mid - 22
	trunk := right + 14
	for i, br := range shown {
		at := y + 22
		verdict := br.path.Verdict
		b := branchBox(br, shape.branchWide-2*svgPad-4)
		if i == 0 {
			s.path("branch "+class(verdict), "M%.1f %.1fH%.1f", right, at, shape.branchX-svgSign)
		} else {
			s.path("branch "+class(verdict), "M%.1f %.1fV%.1fH%.1f", trunk, mid, at, shape.branchX-svgSign)
		}
		s.box(b, shape.branchX, y, shape.branchWide)
		s.sign(shape.branchX-svgSign, at, verdict)
		x := trunk - 4
		if i > 0 {
			x = trunk + 7 // clear of the line that comes down
		}
		s.text(x, at-7, "count "+class(verdict), arrowCount(br.path, shape.branchX-svgSign-x))
		y += b.height() + 12
	}
	if out != "" {
		b := box{class: "none"}
		b.put("out", out, shape.branchWide-4, 6)
		if len(shown) == 0 {
			y = mid - 20
			s.path("branch out", "M%.1f %.1fH%.1f", right+4, mid, shape.branchX)
		} else {
			y -= 8
		}
		s.box(b, shape.branchX-4, y, shape.branchWide)
		y += b.height()
	}
	s.y = max(s.y, y-6)
}

// sign is the mark on a branch's arrow.
func (s *svg) sign(x, y float64, v Verdict) {
	if v == Fired {
		s.cross(x, y, "x")
		return
	}
	s.add(`<circle class="mark ask" cx="%.1f" cy="%.1f" r="%.0f"/>`, x, y, markRadius)
	s.text(x, y+4.5, "ask", "?")
}

// arrowCount is what stands on a branch's arrow, where there is room for it.
func arrowCount(p PathResult, room float64) string {
	text := ""
	switch {
	case p.Verdict == Fired:
		text = amount(p)
	case p.Max != nil:
		text = fmt.Sprintf("≤ %d", *p.Max)
	}
	if textWidth(text)*titleSize > room {
		return ""
	}
	return text
}

func branchBox(b branch, width float64) box {
	p := b.path
	out := box{class: "loss " + class(p.Verdict)}
	head := frames(p) + " lost, in " + b.counter
	if p.Verdict == Possible {
		head = frames(p) + ", in " + b.counter
	}
	out.put("title "+class(p.Verdict), head, width, 3)
	out.put("code", p.ID, width, 2)
	out.put("line", string(p.Verdict)+", "+string(p.Level), width, 1)
	if p.Now {
		out.put("line", "as set up now", width, 1)
	}
	out.put("soft", p.Condition, width, 4)
	return out
}

// ruledOutText names the paths that cannot have been taken: those that are proved, and those by the present set-up.
func ruledOutText(branches []branch) string {
	var ids, now []string
	for _, b := range branches {
		switch {
		case b.path.Verdict != RuledOut:
		case b.path.Now && !slices.Contains(now, b.path.ID):
			now = append(now, b.path.ID)
		case !b.path.Now && !slices.Contains(ids, b.path.ID):
			ids = append(ids, b.path.ID)
		}
	}
	var out []string
	if len(ids) > 0 {
		out = append(out, "– ruled out, proved: "+strings.Join(ids, ", "))
	}
	if len(now) > 0 {
		out = append(out, "– ruled out, as set up now: "+strings.Join(now, ", "))
	}
	return strings.Join(out, "; ")
}

// describe tells a drawing in words, for who does not see it.
func describe(stages []stage) string {
	var out strings.Builder
	for i, st := range stages {
		switch {
		case i == 0:
		case st.aside:
			out.WriteString(". Aside: ")
		case st.lane:
			out.WriteString(". Beside it: ")
		default:
			out.WriteString(". Then: ")
		}
		out.WriteString(st.title)
		if len(st.lines) > 0 {
			out.WriteString(" (" + strings.Join(st.lines, "; ") + ")")
		}
		if st.taken != nil {
			fmt.Fprintf(&out, ", rx_packets %d", *st.taken)
		}
		for _, b := range st.branches {
			switch b.path.Verdict {
			case Fired:
				fmt.Fprintf(&out, "; here %s: %s lost in %s, %s, %s", b.path.ID, frames(b.path), b.counter, b.path.Verdict, b.path.sure())
			case Possible:
				fmt.Fprintf(&out, "; here perhaps %s: %s, in %s, %s, %s", b.path.ID, frames(b.path), b.counter, b.path.Verdict, b.path.sure())
			}
		}
	}
	return out.String() + "."
}
