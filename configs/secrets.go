package configs

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// maxSecret bounds a file that a secret is read from; a bundle of certificate
// authorities is a quarter of it.
const maxSecret = 1 << 20

// secrets puts the secrets themselves where a file says env:NAME or file:PATH.
type secrets struct {
	getenv  func(string) string // nil: none is looked for
	dir     string              // relative paths are relative to it
	types   *types
	mistake func(key, text string)
	reads   func(path string) // is told of each file
	absent  func(key string)  // is told of each that was not looked for
}

// resolve does it for every secret.String in v, which is addressable.
func (s *secrets) resolve(v reflect.Value, p *place) {
	if found, ok := v.Addr().Interface().(*secret.String); ok {
		if s.getenv == nil && elsewhere(found.Reveal()) {
			s.absent(p.String())
			return
		}
		value, err := s.value(found.Reveal())
		if err != nil {
			s.mistake(p.String(), err.Error())
		}
		*found = secret.String(value)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			s.resolve(v.Elem(), p)
		}
	case reflect.Struct:
		for _, f := range s.types.fieldsOf(v.Type()) {
			s.resolve(v.Field(f.index), p.in(f.key))
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.resolve(v.Index(i), p.item(i))
		}
	}
}

// elsewhere reports whether a secret's text says where it lies.
func elsewhere(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
}

// value gives what a secret's text stands for. Its errors name the variable or
// the file, never the text.
func (s *secrets) value(text string) (string, error) {
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if !isVariable(name) {
			return "", errors.New("env: must be followed by the name of an environment variable, such as env:SLACK_BOT_TOKEN")
		}
		value := s.getenv(name)
		if value == "" {
			return "", fmt.Errorf("the environment variable %s is unset or empty: set it, or name another one", name)
		}
		return value, nil
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		if path == "" {
			return "", errors.New("file: must be followed by the path of a file")
		}
		path = relativeTo(s.dir, path)
		s.reads(path)
		return secretFile(path)
	}
	return text, nil
}

// secretFile reads a secret, without the newline that editors end a file with.
func secretFile(path string) (string, error) {
	content, err := readRegular(path, maxSecret)
	switch {
	case err != nil:
		return "", fmt.Errorf("the file %q %w", path, err)
	case len(content) > maxSecret:
		return "", fmt.Errorf("the file %q is larger than %d KiB, which no secret is", path, maxSecret>>10)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("the file %q is empty: write the secret into it", path)
	}
	return value, nil
}

// isVariable tells whether a name is one that a shell could set. Another text
// after "env:" may be a secret in the wrong place, and is not printed.
func isVariable(name string) bool {
	for i, c := range name {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && len(name) <= maxKey
}
