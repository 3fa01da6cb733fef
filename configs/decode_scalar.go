package configs

import (
	"encoding"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decodeScalarType decodes the types that are written as one word but are no
// plain Go kinds. It tells whether v is of one.
func (d *decoder) decodeScalarType(n ast.Node, v reflect.Value, p *place) bool {
	into := v.Addr().Interface()
	text, isText := scalarText(n)
	switch into := into.(type) {
	case *time.Duration:
		value, err := time.ParseDuration(text)
		if !isText || err != nil {
			d.mistake(n, p, "is no duration: write a number and a unit, such as 90s, 5m or 12h")
			break
		}
		*into = value
	case *time.Time:
		value, ok := parseTime(text)
		if !isText || !ok {
			d.mistake(n, p, "is no date: write one such as 2027-01-31 or 2027-01-31T18:00:00Z")
			break
		}
		*into = value
	case *netip.Prefix:
		value, err := netip.ParsePrefix(text)
		switch addr, addrErr := netip.ParseAddr(text); {
		case isText && err == nil:
			*into = value
		case isText && addrErr == nil:
			d.mistake(n, p, "is one address, not a range: write %s/%d", addr, addr.BitLen())
		default:
			d.mistake(n, p, "is no range of addresses: write one such as 10.0.0.0/8 or fd00::/8")
		}
	case encoding.TextUnmarshaler:
		if !isText {
			d.mistake(n, p, "is %s: write one word", kindOf(n))
		} else if err := into.UnmarshalText([]byte(text)); err != nil {
			d.mistake(n, p, "%s", err)
		}
	default:
		return false
	}
	return true
}

// parseTime reads a date, which means its first moment in UTC, or a moment as
// RFC 3339 writes it.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// decodeScalar decodes the plain kinds. A text takes numbers and booleans as
// they are written: an id made of digits needs no quotes.
func (d *decoder) decodeScalar(n ast.Node, v reflect.Value, p *place) {
	text, ok := scalarText(n)
	switch {
	case v.Kind() == reflect.String && ok:
		v.SetString(text)
	case v.Kind() == reflect.String:
		d.mistake(n, p, "is %s: write one text", kindOf(n))
	case v.Kind() == reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.mistake(n, p, "is %s: write true or false", kindOf(n))
			return
		}
		v.SetBool(b.Value)
	case v.CanInt():
		_, isInteger := n.(*ast.IntegerNode)
		value, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if !isInteger || err != nil {
			d.mistake(n, p, "is %s: write a number without a fraction, in digits alone", kindOf(n))
			return
		}
		v.SetInt(value)
	case v.CanFloat():
		value, err := strconv.ParseFloat(text, v.Type().Bits())
		if kindOf(n) != "a number" || err != nil {
			d.mistake(n, p, "is %s: write a number, such as 0.5", kindOf(n))
			return
		}
		v.SetFloat(value)
	default:
		d.mistake(n, p, "cannot be set in a file")
	}
}

// scalarText gives a scalar as the file writes it.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// anyOf gives a node as a text, a bool, a list or a map.
func anyOf(n ast.Node) any {
	if b, ok := n.(*ast.BoolNode); ok {
		return b.Value
	}
	if text, ok := scalarText(n); ok {
		return text
	}
	if list, ok := n.(*ast.SequenceNode); ok {
		items := make([]any, len(list.Values))
		for i, item := range list.Values {
			items[i] = anyOf(item)
		}
		return items
	}
	entries, _ := entriesOf(n)
	values := make(map[string]any, len(entries))
	for _, e := range entries {
		values[e.Key.GetToken().Value] = anyOf(e.Value)
	}
	return values
}

// kindOf names what stands at a node, never its value.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	}
	return "a text"
}

// isEmpty tells whether a node sets nothing: "", [], {}, false or null.
func isEmpty(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.NullNode:
		return true
	case *ast.BoolNode:
		return !n.Value
	case *ast.SequenceNode:
		return len(n.Values) == 0
	}
	if entries, ok := entriesOf(n); ok {
		return len(entries) == 0
	}
	text, ok := scalarText(n)
	return ok && text == ""
}
