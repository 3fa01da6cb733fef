package configs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills Go values from the syntax tree of one file and keeps every
// mistake. What a mistaken key would have filled keeps its default.
type decoder struct {
	file     string
	types    *types
	mistakes []Mistake
	meant    []string // keys that unknown ones were probably meant to be
}

// types remembers the keys of the struct types met so far; the files of one
// Load share it.
type types struct{ known sync.Map }

// field is a key of a struct.
type field struct {
	key   string
	index int
}

// fieldsOf gives the keys of a struct type in the order of its fields.
func (ts *types) fieldsOf(t reflect.Type) []field {
	if known, ok := ts.known.Load(t); ok {
		return known.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if key != "" && key != "-" {
			fields = append(fields, field{key, i})
		}
	}
	ts.known.Store(t, fields)
	return fields
}

// shortForm is what a type implements that may be written in more than one
// form. It decodes into the one form or the other until one fits.
type shortForm interface {
	UnmarshalYAML(decode func(any) error) error
}

func (d *decoder) mistake(n ast.Node, p *place, format string, args ...any) {
	d.mistakes = append(d.mistakes, d.at(n, p, fmt.Sprintf(format, args...)))
}

func (d *decoder) at(n ast.Node, p *place, text string) Mistake {
	m := *mistakeAt(position(n), text)
	m.File, m.Key = d.file, p.String()
	return m
}

// decode fills v, which is addressable, from n.
func (d *decoder) decode(n ast.Node, v reflect.Value, p *place) {
	switch n.(type) {
	case *ast.NullNode:
		d.mistake(n, p, "has no value: write one, or remove the key")
		return
	case *ast.AnchorNode, *ast.AliasNode:
		d.mistake(n, p, "anchors (&) and aliases (*) are not read: write the value itself, in quotes if it begins so")
		return
	case *ast.TagNode:
		d.mistake(n, p, "tags (!) are not read: write the value itself, in quotes if it begins so")
		return
	}
	if u, ok := v.Addr().Interface().(shortForm); ok {
		d.decodeShort(n, u, v, p)
		return
	}
	if d.decodeScalarType(n, v, p) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		target := reflect.New(v.Type().Elem())
		d.decode(n, target.Elem(), p)
		v.Set(target)
	case reflect.Struct:
		d.decodeStruct(n, v, p)
	case reflect.Slice:
		d.decodeList(n, v, p)
	case reflect.Map:
		d.decodeMap(n, v, p)
	case reflect.Interface:
		v.Set(reflect.ValueOf(anyOf(n)))
	default:
		d.decodeScalar(n, v, p)
	}
}

// attempt is why one form of a short form did not fit.
type attempt struct{ mistakes []Mistake }

// Error is only seen by types that look at it; decodeShort reports the mistakes.
func (a *attempt) Error() string { return "does not fit" }

// decodeShort lets a type try its forms, the longest of which is v's own
// fields. If none fits, a map is looked into key by key, so that each mistake
// in it is found at its place; only then the type's own words are used.
func (d *decoder) decodeShort(n ast.Node, u shortForm, v reflect.Value, p *place) {
	before := d.mistakes
	err := u.UnmarshalYAML(func(into any) error {
		d.mistakes = nil
		d.decode(n, reflect.ValueOf(into).Elem(), p)
		if len(d.mistakes) > 0 {
			return &attempt{d.mistakes}
		}
		return nil
	})
	d.mistakes = before
	if err == nil {
		return
	}
	if _, isMap := entriesOf(n); isMap && v.Kind() == reflect.Struct {
		found := len(d.mistakes)
		d.decodeStruct(n, v, p)
		if len(d.mistakes) > found {
			return
		}
	}
	if last := (*attempt)(nil); errors.As(err, &last) {
		d.mistakes = append(d.mistakes, last.mistakes...)
	} else {
		d.mistake(n, p, "%s", err)
	}
}

func (d *decoder) decodeStruct(n ast.Node, v reflect.Value, p *place) {
	fields := d.types.fieldsOf(v.Type())
	d.eachEntry(n, p, func(key string, e *ast.MappingValueNode) {
		here := p.in(key)
		if i := slices.IndexFunc(fields, func(f field) bool { return f.key == key }); i >= 0 {
			d.decode(e.Value, v.Field(fields[i].index), here)
		} else if meant := nearest(key, fields); meant != "" {
			d.mistake(e.Key, here, "unknown key: did you mean %s?", meant)
			d.meant = append(d.meant, p.in(meant).String())
		} else {
			d.mistake(e.Key, here, "unknown key: the keys here are %s", list(fields))
		}
	})
}

func (d *decoder) decodeMap(n ast.Node, v reflect.Value, p *place) {
	v.Set(reflect.MakeMap(v.Type()))
	d.eachEntry(n, p, func(key string, e *ast.MappingValueNode) {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.Value, value, p.in(key))
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value)
	})
}

// eachEntry calls f for each entry of the map n, whose keys are words that
// stand there once.
func (d *decoder) eachEntry(n ast.Node, p *place, f func(key string, e *ast.MappingValueNode)) {
	entries, ok := entriesOf(n)
	if !ok {
		d.mistake(n, p, `is %s: write "key: value" lines, or {} for none`, kindOf(n))
		return
	}
	seen := make(map[string]int, len(entries))
	for _, e := range entries {
		key, ok := scalarText(e.Key)
		if !ok || key == "" || len(key) > maxKey {
			d.mistake(e.Key, p, "a key must be a plain word of at most %d letters (<< and ? are not read)", maxKey)
			continue
		}
		if line, twice := seen[key]; twice {
			d.mistake(e.Key, p.in(key), "stands here twice, first in line %d: keep one", line)
			continue
		}
		seen[key] = position(e.Key).Position.Line
		f(key, e)
	}
}

func (d *decoder) decodeList(n ast.Node, v reflect.Value, p *place) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mistake(n, p, "is %s: write a list, such as [first, second], or [] for none", kindOf(n))
		return
	}
	items := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, item := range list.Values {
		d.decode(item, items.Index(i), p.item(i))
	}
	v.Set(items)
}
