package configs

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// Changes are what differs between two configurations, in the order of the keys
// and of the hosts. Its zero value is nothing.
type Changes struct {
	Keys    []Change      `json:"keys,omitempty"`    // outside of routes
	Added   []string      `json:"added,omitempty"`   // hosts
	Removed []string      `json:"removed,omitempty"` // hosts
	Changed []RouteChange `json:"changed,omitempty"`
}

// RouteChange is what differs in a route that both have.
type RouteChange struct {
	Host string   `json:"host"`
	Keys []Change `json:"keys"`
}

// Change is a key with another value. From and To are the values as far as they
// may be shown: a secret is secret.Redacted, and nothing but that it has changed
// is said of it.
type Change struct {
	Key  string `json:"key"`  // such as "login.guests" or "policy[2].allow"
	From string `json:"from"` // empty: none, or that of the default
	To   string `json:"to"`   // empty likewise
}

// None reports whether nothing differs.
func (c Changes) None() bool {
	return len(c.Keys)+len(c.Added)+len(c.Removed)+len(c.Changed) == 0
}

// Same reports whether two routes are configured alike, wherever in their files
// they stand.
func (r *Route) Same(other *Route) bool {
	a, b := *r, *other
	a.rulesAt, b.rulesAt = nil, nil
	return reflect.DeepEqual(&a, &b)
}

// Compare gives what to says otherwise than from.
func Compare(from, to *Config) Changes {
	var changes Changes
	d := comparison{types: new(types)}
	a, b := *from, *to
	a.Routes, b.Routes = nil, nil
	d.compare("", reflect.ValueOf(a), reflect.ValueOf(b))
	changes.Keys = d.found
	before := make(map[string]*Route, len(from.Routes))
	for i := range from.Routes {
		before[from.Routes[i].Host] = &from.Routes[i]
	}
	for i := range to.Routes {
		now := &to.Routes[i]
		old := before[now.Host]
		delete(before, now.Host)
		switch {
		case old == nil:
			changes.Added = append(changes.Added, now.Host)
		case !old.Same(now):
			d.found = nil
			d.compare("", reflect.ValueOf(*old), reflect.ValueOf(*now))
			changes.Changed = append(changes.Changed, RouteChange{Host: now.Host, Keys: d.found})
		}
	}
	for host := range before {
		changes.Removed = append(changes.Removed, host)
	}
	slices.Sort(changes.Added)
	slices.Sort(changes.Removed)
	slices.SortFunc(changes.Changed, func(a, b RouteChange) int { return cmp.Compare(a.Host, b.Host) })
	return changes
}

// comparison finds the keys that differ, as deep as both sides have them.
type comparison struct {
	types *types
	found []Change
}

func (d *comparison) compare(key string, a, b reflect.Value) {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return
	}
	switch a.Kind() {
	case reflect.Pointer:
		if !a.IsNil() && !b.IsNil() {
			d.compare(key, a.Elem(), b.Elem())
			return
		}
	case reflect.Struct:
		if fields := d.types.fieldsOf(a.Type()); len(fields) > 0 && slices.Equal(words(a), words(b)) {
			for _, f := range fields {
				d.compare(join(key, f.key), a.Field(f.index), b.Field(f.index))
			}
			return
		}
	case reflect.Slice:
		if a.Len() == b.Len() && a.Type().Elem().Kind() == reflect.Struct {
			for i := range a.Len() {
				d.compare(fmt.Sprintf("%s[%d]", key, i), a.Index(i), b.Index(i))
			}
			return
		}
	case reflect.Map:
		d.compareMaps(key, a, b)
		return
	}
	if from, to := d.show(a), d.show(b); from != to || strings.Contains(from, secret.Redacted) {
		d.found = append(d.found, Change{Key: key, From: from, To: to})
	}
}

func (d *comparison) compareMaps(key string, a, b reflect.Value) {
	names := map[string]reflect.Value{}
	for _, k := range append(a.MapKeys(), b.MapKeys()...) {
		names[k.String()] = k
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, after := a.MapIndex(names[name]), b.MapIndex(names[name])
		if before.IsValid() && after.IsValid() {
			d.compare(join(key, name), before, after)
			continue
		}
		d.found = append(d.found, Change{Key: join(key, name), From: d.show(before), To: d.show(after)})
	}
}

// words are what a type that may be one of several words is: its true fields
// without a key, in lower case.
func words(v reflect.Value) (list []string) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Tag.Get("yaml") == "-" && f.Type.Kind() == reflect.Bool && v.Field(i).Bool() {
			list = append(list, strings.ToLower(f.Name))
		}
	}
	return list
}

// show gives a value as one would write it on one line, without what is not set.
func (d *comparison) show(v reflect.Value) string {
	switch {
	case !v.IsValid() || v.IsZero():
		return ""
	case v.Type() == reflect.TypeFor[secret.String]():
		return secret.Redacted
	}
	switch v.Kind() {
	case reflect.Pointer:
		return cmp.Or(d.show(v.Elem()), "{}")
	case reflect.Struct:
		fields, parts := d.types.fieldsOf(v.Type()), words(v)
		if len(fields) == 0 {
			return fmt.Sprint(v.Interface())
		}
		for _, f := range fields {
			if text := d.show(v.Field(f.index)); text != "" {
				parts = append(parts, f.key+": "+text)
			}
		}
		if len(parts) == 1 && len(words(v)) == 1 {
			return parts[0]
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = cmp.Or(d.show(v.Index(i)), `""`)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		var parts []string
		for _, k := range v.MapKeys() {
			parts = append(parts, k.String()+": "+d.show(v.MapIndex(k)))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v.Interface())
}
