package syntax

// Incomplete reports whether a text wants another line: a bracket, a string or a
// comment is open, or an operator at the end lacks its right side.
func Incomplete(text string) bool {
	src := []rune(text)
	open := 0
	last := ""
	step := false // i++ ends so
	for i := 0; i < len(src); {
		r := src[i]
		switch {
		case r == '\'' || r == '"' || r == '`':
			end, closed := SkipString(src, i)
			if !closed {
				return true
			}
			i, last = end, "'"
		case IsComment(src, i):
			end, closed := SkipComment(src, i)
			if !closed {
				return true
			}
			i = end
		case IsWord(r):
			end := SkipWord(src, i)
			word := string(src[i:end])
			if last == "." || last == "->" || last == "?." || last == "#" {
				word = "x" // a member may be called as a keyword is
			}
			i, last = end, word
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			i++
		default:
			last = string(r)
			for _, p := range puncts {
				if hasPrefix(src[i:], p) {
					last = p
					break
				}
			}
			step = (last == "+" || last == "-") && i > 0 && src[i-1] == r
			i += len([]rune(last))
			switch last {
			case "(", "[", "{":
				open++
			case ")", "]", "}":
				open--
			}
		}
	}
	if open != 0 {
		return open > 0
	}
	switch last {
	case "", ")", "]", "}", "#", ";", "'":
		return false
	case "=", "->", ".", "?.", "?", ":", ",", "!", "~":
		return true
	case "let", "else", "not", "if":
		return true
	}
	_, operator := precedence[last]
	return operator && !step
}
