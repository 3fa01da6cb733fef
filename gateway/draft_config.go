package gateway

import (
	"fmt"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// FormLimit is up to how many bytes a form is kept that was sent with an expired
// session. 0 means the default, 1 MiB; less keeps none.
type FormLimit int64

const (
	defaultSavedForm = 1 << 20
	// maxSavedForm bounds what a route may set: a form is read into memory and
	// written into one row.
	maxSavedForm FormLimit = 8 << 20
	savesNone    FormLimit = -1
)

// UnmarshalYAML reads a size, such as 1MiB, or the word off through decode,
// which decodes the YAML node into what it is given. A size of 0 is off.
func (f *FormLimit) UnmarshalYAML(decode func(any) error) error {
	var word string
	if err := decode(&word); err != nil {
		return err
	}
	if word == "off" {
		*f = savesNone
		return nil
	}
	var size proxy.Size
	if err := size.UnmarshalYAML(func(into any) error { *into.(*string) = word; return nil }); err != nil {
		return fmt.Errorf("%w, or off", err)
	}
	*f = FormLimit(size)
	if size == 0 {
		*f = savesNone
	}
	return nil
}

// bytes is the limit in bytes; 0 keeps none.
func (f FormLimit) bytes() int64 {
	if f == 0 {
		return defaultSavedForm
	}
	return max(0, int64(f))
}
