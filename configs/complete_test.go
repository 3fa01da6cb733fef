package configs_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

// TestCompleteFileHasEveryKey, if only in a comment beside another that is
// written instead of it.
func TestCompleteFileHasEveryKey(t *testing.T) {
	content, err := os.ReadFile("complete.yaml")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, m := range regexp.MustCompile(`\b([a-z_0-9]+):`).FindAllStringSubmatch(string(content), -1) {
		written[m[1]] = true
	}
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			field := typ.Field(i)
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if key == "" || key == "-" {
				continue
			}
			if !written[key] {
				t.Errorf("the file lacks %s, of %s", key, typ)
			}
			look(field.Type)
		}
	}
	look(reflect.TypeFor[configs.Config]())
	if len(seen) < 20 {
		t.Errorf("only %d types have keys", len(seen))
	}
}
