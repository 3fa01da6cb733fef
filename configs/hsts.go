package configs

import (
	"errors"
	"time"
)

const (
	// defaultHSTS is long enough to protect whoever comes every few weeks, since
	// each visit begins it anew, and short enough to be waited for by a host that
	// must go back to plain HTTP.
	defaultHSTS = HSTS(30 * 24 * time.Hour)
	// maxHSTS is what preload lists ask for; longer is a mistake in the unit.
	maxHSTS         = HSTS(2 * 365 * 24 * time.Hour)
	saysNoHSTS HSTS = -1
)

// HSTS is for how long browsers shall insist on https (Strict-Transport-Security,
// RFC 6797); 0 makes them forget that they should, less says nothing.
type HSTS time.Duration

// UnmarshalYAML reads a duration, such as 720h, or the word off through decode,
// which decodes the YAML node into what it is given.
func (h *HSTS) UnmarshalYAML(decode func(any) error) error {
	var word string
	if err := decode(&word); err != nil {
		return err
	}
	if word == "off" {
		*h = saysNoHSTS
		return nil
	}
	d, err := time.ParseDuration(word)
	if err != nil || d < 0 {
		return errors.New("is no duration: write a number and a unit, such as 720h, or off")
	}
	*h = HSTS(d)
	return nil
}
