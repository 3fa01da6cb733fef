// Package configs reads the gateway's configuration file: one YAML file, the
// files it includes, and the secrets both name. The example files beside this
// source are real ones, and each is loaded by a test.
//
// A file is read in four steps, and every mistake of every step is kept, so
// that an operator mends a file in one go:
//
//	parse.go     bytes → syntax tree, bounded in size and depth
//	decode*.go   syntax tree → Config, over defaults; unknown, repeated and
//	             empty keys, wrong types; keys.go guesses what was meant
//	secrets.go   "env:NAME" and "file:PATH" → the secret itself
//	validate*.go what each section's own package demands, and what only shows
//	             when sections are seen together
//
// A file (document.go) remembers the tree, so that a mistake found in the
// decoded values can still be shown at its place (place.go).
//
// A mistake says where it stands (file, line, column), which key it is about,
// and what to write instead; it never holds a secret. Relative paths are
// relative to the file they stand in.
//
// Each package owns the type of its section; this one composes them. YAML's
// anchors, aliases, merge keys and tags are refused: a file says what it says
// where it says it.
package configs
