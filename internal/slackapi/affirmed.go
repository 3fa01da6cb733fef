package slackapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
)

// ErrNeither is an answer that says neither yes nor no: no "ok":true, and no
// error's name.
var ErrNeither = errors.New("answer says neither yes nor no")

// Affirmed is a call that is answered with a list, under that name, which may
// rightly be empty. The library takes {} and {"ok":false} for success, by which a
// broken Slack would seem to have no channel and no group; what has no such list,
// or does not say yes, is ErrNeither here.
func Affirmed(list string, call func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		var said bytes.Buffer
		if err := call(WithAnswer(ctx, &said)); err != nil {
			return err
		}
		var answer map[string]json.RawMessage
		if json.Unmarshal(said.Bytes(), &answer) != nil || string(answer["ok"]) != "true" || answer[list] == nil {
			return ErrNeither
		}
		return nil
	}
}
