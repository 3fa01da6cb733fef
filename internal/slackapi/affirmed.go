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

// Affirmed is a call whose answer may rightly be an empty list, and that must say
// so. The library takes {} and {"ok":false} for success, by which a broken Slack
// would seem to have no channel and no group; they are ErrNeither here.
func Affirmed(call func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		var said bytes.Buffer
		if err := call(WithAnswer(ctx, &said)); err != nil {
			return err
		}
		var answer struct {
			OK bool `json:"ok"`
		}
		if json.Unmarshal(said.Bytes(), &answer) != nil || !answer.OK {
			return ErrNeither
		}
		return nil
	}
}
