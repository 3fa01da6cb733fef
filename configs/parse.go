package configs

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The parser recurses for each level and for each key of a block map, and some
// of its work grows with the square of these. A configuration is far from them.
const (
	maxFlowDepth   = 32     // of [ and {
	maxFlowEntries = 10_000 // of one outermost [ or {
	maxIndent      = 128    // columns before a block's key or dash
	maxBlockKeys   = 1_000  // of one block map
)

// parse gives the root of the one document that content holds. A mistake it
// gives has no File and no Key yet.
func parse(content []byte) (ast.Node, *Mistake) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if m := checkUTF8(content); m != nil {
		return nil, m
	}
	tokens := joinColons(lexer.Tokenize(string(content)))
	if m := checkBounds(tokens); m != nil {
		return nil, m
	}
	// Repeated keys are found while decoding, together with other mistakes.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxMistake(err)
	}
	var root ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case root == nil:
			root = doc.Body
		default:
			return nil, mistakeAt(position(doc.Body), `a second document begins here: remove the "---" before it`)
		}
	}
	if root == nil {
		return nil, &Mistake{Line: 1, Column: 1, Text: "the file is empty"}
	}
	return root, nil
}

// mistakeAt is a mistake at a token. Some tokens that the parser makes up have
// no column.
func mistakeAt(t *token.Token, text string) *Mistake {
	return &Mistake{Line: max(t.Position.Line, 1), Column: max(t.Position.Column, 1), Text: text}
}

// syntaxMistake keeps the parser's words and position, but not the excerpt of
// the file that its error prints: secrets may stand there.
func syntaxMistake(err error) *Mistake {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return mistakeAt(e.GetToken(), "cannot be read as YAML: "+e.GetMessage())
	}
	return &Mistake{Line: 1, Column: 1, Text: "cannot be read as YAML"}
}

func checkUTF8(content []byte) *Mistake {
	if utf8.Valid(content) {
		return nil
	}
	m := &Mistake{Line: 1, Column: 1, Text: "is not UTF-8: save the file in that encoding"}
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		if r == utf8.RuneError && size == 1 {
			break
		}
		m.Column++
		if r == '\n' {
			m.Line, m.Column = m.Line+1, 1
		}
		content = content[size:]
	}
	return m
}

// checkBounds finds the first token that is beyond the parser's bounds.
func checkBounds(tokens token.Tokens) *Mistake {
	var keys [maxIndent + 1]int // of the block map open at each column
	widest, depth, entries := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			if depth++; depth > maxFlowDepth {
				return mistakeAt(t, fmt.Sprintf("more than %d brackets are open here: no key is nested so deeply", maxFlowDepth))
			}
		case token.SequenceEndType, token.MappingEndType:
			if depth = max(depth-1, 0); depth == 0 {
				entries = 0
			}
		case token.CollectEntryType:
			if entries++; entries > maxFlowEntries {
				return mistakeAt(t, fmt.Sprintf("more than %d entries stand in these brackets: write one entry a line instead", maxFlowEntries))
			}
		}
		key := isBlockKey(t)
		if depth > 0 || !key && t.Type != token.SequenceEntryType {
			continue
		}
		column := max(t.Position.Column, 0)
		if column > maxIndent {
			return mistakeAt(t, fmt.Sprintf("is indented by more than %d columns: no key is nested so deeply", maxIndent))
		}
		for ; widest > column; widest-- {
			keys[widest] = 0
		}
		widest = column
		if key {
			if keys[column]++; keys[column] > maxBlockKeys {
				return mistakeAt(t, fmt.Sprintf("is one of more than %d keys of one map", maxBlockKeys))
			}
		}
	}
	return nil
}

// isBlockKey tells whether t begins an entry of a map: a word before a colon,
// a "?", or a colon without a key before it.
func isBlockKey(t *token.Token) bool {
	switch {
	case t.Type == token.MappingKeyType:
		return true
	case t.Type == token.MappingValueType:
		return t.Prev == nil || t.Prev.Position.Line != t.Position.Line
	}
	return t.Next != nil && t.Next.Type == token.MappingValueType
}

// joinColons mends a fault of the lexer (goccy/go-yaml 1.19.2, its issue 832):
// within { } it takes the colon in [env:NAME] for the end of a key, although
// no space follows it (YAML 1.2.2, section 7.3.3: such a colon is a letter of
// the word).
func joinColons(tokens token.Tokens) token.Tokens {
	joined := make(token.Tokens, 0, len(tokens))
	depth := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		}
		for depth > 0 && i+2 < len(tokens) && isPlain(t) && isPlain(tokens[i+2]) && isColonBetween(t, tokens[i+1], tokens[i+2]) {
			t = join3(t, tokens[i+1], tokens[i+2])
			i += 2
		}
		if n := len(joined); n > 0 {
			joined[n-1].Next, t.Prev = t, joined[n-1]
		}
		joined = append(joined, t)
	}
	return joined
}

// isPlain tells whether t is a scalar without quotes.
func isPlain(t *token.Token) bool {
	return t.CharacterType == token.CharacterTypeMiscellaneous && t.Indicator == token.NotIndicator && t.Type != token.CommentType
}

// isColonBetween tells whether colon touches both the word before and after it.
func isColonBetween(before, colon, after *token.Token) bool {
	b, c, a := before.Position, colon.Position, after.Position
	return colon.Type == token.MappingValueType && b.Line == c.Line && c.Line == a.Line &&
		b.Column+utf8.RuneCountInString(before.Value) == c.Column && c.Column+1 == a.Column
}

func join3(before, colon, after *token.Token) *token.Token {
	t := token.String(before.Value+colon.Value+after.Value, before.Origin+colon.Origin+after.Origin, before.Position)
	t.Next = after.Next
	return t
}
