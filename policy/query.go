package policy

import (
	"bytes"
	"strings"
)

// parameter is one key and value of Rule.Query.
type parameter struct {
	base  string // the name as PHP's $_GET has it
	index string // "[x]" of an element of an array, else empty
	value string
}

// maxPHPParameters is PHP's max_input_vars: it does not see those behind.
const maxPHPParameters = 1000

func compileQuery(query map[string]string) []parameter {
	var out []parameter
	for key, value := range query {
		base, index := phpName([]byte(key))
		out = append(out, parameter{base: string(base), index: string(index), value: value})
	}
	return out
}

// match looks for the parameter in raw. Any occurrence counts; it is maybe,
// not yes, where the app could take another value: the key occurs again with
// one, it is an element of an array, or it is found only by those servers that
// also split at ";", or that let a query begin behind several "?", as PHP's own
// does.
func (p *parameter) match(raw string) match {
	m := p.scan(raw, "&")
	if strings.Contains(raw, ";") && p.scan(raw, "&;") != m {
		return maybe
	}
	if rest := strings.TrimLeft(raw, "?"); rest != raw && p.match(rest) != m {
		return maybe
	}
	return m
}

func (p *parameter) scan(raw, separators string) match {
	found, certain := false, true
	count := 0
	for raw != "" {
		var pair string
		if i := strings.IndexAny(raw, separators); i >= 0 {
			pair, raw = raw[:i], raw[i+1:]
		} else {
			pair, raw = raw, ""
		}
		if pair == "" {
			continue
		}
		count++
		key, value, _ := strings.Cut(pair, "=")
		name := p.named(key)
		if name == no {
			continue
		}
		equal := equalDecoded(value, p.value)
		found = found || equal
		certain = certain && equal && name == yes
	}
	switch {
	case !found:
		return no
	case certain && count <= maxPHPParameters:
		return yes
	}
	return maybe
}

// named reports whether a key of a query is this parameter; maybe is another
// element of the same array.
func (p *parameter) named(key string) match {
	if len(key) < len(p.base) { // decoding never makes a name longer
		return no
	}
	var buf [128]byte
	decoded := buf[:0]
	for key != "" {
		var c byte
		c, key = nextDecoded(key)
		decoded = append(decoded, c)
	}
	base, index := phpName(decoded)
	switch {
	case string(base) != p.base:
		return no
	case string(index) != p.index:
		return maybe
	}
	return yes
}

// phpName makes of a decoded key, in place, what PHP makes of it (main/
// php_variables.c, php_register_variable_ex): it ends at a NUL, leading spaces
// go, "." and " " become "_", and so does a "[" that is never closed. An index
// in brackets is returned by itself.
func phpName(key []byte) (base, index []byte) {
	for i, c := range key {
		if c == 0 {
			key = key[:i]
			break
		}
	}
	for len(key) > 0 && key[0] == ' ' {
		key = key[1:]
	}
	lastClosing := bytes.LastIndexByte(key, ']')
	for i, c := range key {
		switch {
		case c == '[' && i < lastClosing:
			return key[:i], key[i:]
		case c == ' ', c == '.', c == '[':
			key[i] = '_'
		}
	}
	return key, nil
}

// equalDecoded reports whether raw decodes to want, without building it.
func equalDecoded(raw, want string) bool {
	for raw != "" {
		var c byte
		c, raw = nextDecoded(raw)
		if want == "" || want[0] != c {
			return false
		}
		want = want[1:]
	}
	return want == ""
}

// nextDecoded decodes one byte of s, which is not empty, as PHP's urldecode
// does: "+" is a space, and a "%" without two hex digits is itself.
func nextDecoded(s string) (c byte, rest string) {
	switch {
	case s[0] == '+':
		return ' ', s[1:]
	case s[0] == '%' && len(s) > 2 && isHex(s[1]) && isHex(s[2]):
		return unhex(s[1])<<4 | unhex(s[2]), s[3:]
	}
	return s[0], s[1:]
}
