package configs

import "reflect"

// Same reports whether two routes are configured alike, wherever in their files
// they stand.
func (r *Route) Same(other *Route) bool {
	a, b := *r, *other
	a.rulesAt, b.rulesAt = nil, nil
	return reflect.DeepEqual(&a, &b)
}
