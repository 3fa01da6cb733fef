package proxy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// UnmarshalYAML reads the URL alone or the map of settings through unmarshal,
// which decodes the YAML node into what it is given. Its error says which forms
// there are; what is wrong inside a map, unmarshal finds.
func (u *Upstream) UnmarshalYAML(unmarshal func(any) error) error {
	var short string
	if unmarshal(&short) == nil {
		*u = Upstream{URL: short}
		return nil
	}
	type plain Upstream // without this method, which would call itself
	var p plain
	if unmarshal(&p) != nil {
		return errors.New("an upstream is a URL or a map with the keys url, host, tls, timeout, max_body")
	}
	*u = Upstream(p)
	return nil
}

// UnmarshalYAML reads the word "headers" or a map with basic or form, as
// [Upstream.UnmarshalYAML] does.
func (l *UpstreamLogin) UnmarshalYAML(unmarshal func(any) error) error {
	var word string
	if unmarshal(&word) == nil {
		if word != "headers" {
			return fmt.Errorf("unknown word %q; write headers, {basic: …} or {form: …}", word)
		}
		*l = UpstreamLogin{}
		return nil
	}
	type plain UpstreamLogin
	var p plain
	if unmarshal(&p) != nil {
		return errors.New("is neither the word headers nor a map: write headers, {basic: …} or {form: …}")
	}
	*l = UpstreamLogin(p)
	return nil
}

// Size is a number of bytes. In YAML it is a number, or a number with a unit:
// KB, MB, GB in steps of 1000, or KiB, MiB, GiB in steps of 1024.
type Size int64

// UnmarshalYAML reads the number or the number with its unit.
func (s *Size) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return fmt.Errorf("read size: %w", err)
	}
	number := strings.TrimRight(text, "BKMGi ")
	unit, ok := map[string]int64{
		"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}[strings.TrimSpace(text[len(number):])]
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is no size; write one such as 64MiB or 10MB", text)
	}
	*s = Size(n * unit)
	return nil
}

// String returns the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		size Size
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
