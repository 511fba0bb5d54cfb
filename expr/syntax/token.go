package syntax

// Kind is the kind of a token.
type Kind uint8

// The kinds of tokens.
const (
	End    Kind = iota
	Word        // a name or a keyword
	Number      // an integer or a number with a fraction
	Text        // a string
	Punct       // an operator or a bracket
)

// Token is a word of the text.
type Token struct {
	Kind     Kind
	From, To int    // runes
	Text     string // as it is written; of a string, what it means
	num      *Int
	float    float64
}

// is reports whether the token is one of these operators, brackets or keywords.
func (t *Token) is(words ...string) bool {
	if t.Kind != Punct && t.Kind != Word {
		return false
	}
	for _, w := range words {
		if t.Text == w {
			return true
		}
	}
	return false
}

// keywords cannot be names.
var keywords = map[string]bool{
	"let": true, "if": true, "else": true, "in": true, "not": true, "and": true, "or": true,
	"matches": true, "contains": true, "startsWith": true, "endsWith": true,
}

// puncts are the operators and brackets, the longest first.
var puncts = []string{
	"<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "->", "?.", "??", "..", "**", "::",
	"(", ")", "[", "]", "{", "}", "<", ">", "=", "!", "&", "|", "^", "~", "?", ":", ";", ",", ".", "+", "-", "*", "/", "%", "#",
}
