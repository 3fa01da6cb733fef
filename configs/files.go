package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// relativeTo gives path as it is meant in a file that stands in dir.
func relativeTo(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// meta are the characters by which filepath.Match tells a pattern from a path.
const meta = `*?[\`

// listable is why the folder in which a pattern's first choice lies cannot be
// read; nil: it can, or nobody has made one yet.
func listable(pattern string) error {
	dir := filepath.Dir(pattern)
	for strings.ContainsAny(dir, meta) {
		dir = filepath.Dir(dir)
	}
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unreadable(err)
	}
	defer f.Close()
	if _, err = f.ReadDir(1); err != nil && err != io.EOF {
		return unreadable(err)
	}
	return nil
}

// readRegular reads a regular file up to one byte more than limit; a device or
// a pipe could keep the reader waiting for ever. Its errors do not hold path.
func readRegular(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(err)
	}
	if !info.Mode().IsRegular() {
		return nil, unreadable(errors.New("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, unreadable(err)
	}
	return content, nil
}

// unreadable says why a file cannot be read, without its path.
func unreadable(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}
