package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

const (
	askTime   = 15 * time.Second // for one answer of the operators' listener
	maxAnswer = 4 << 20          // 500 sessions are about 200 KiB
)

// operators asks a running gateway, through its operators' listener, whose
// address it is.
type operators string

// listenerFlags say where that is: by -c FILE, or by --admin ADDRESS.
type listenerFlags struct{ file, address string }

// add gives them to a command and those below it, and says so in its help.
func (l *listenerFlags) add(cmd *cobra.Command) {
	cmd.Long = cmp.Or(cmd.Long, cmd.Short+".") + "\n\n" +
		"It asks the running gateway, through its operators' listener, and needs none of the secrets in the configuration."
	cmd.PersistentFlags().StringVarP(&l.file, "config", "c", defaultFile, "configuration `file`, of which the key admin alone is read")
	adminFlag(cmd, &l.address)
}

// adminFlag gives the second of them alone.
func adminFlag(cmd *cobra.Command, address *string) {
	cmd.PersistentFlags().StringVar(address, "admin", "", "`address` of the operators' listener, rather than the file's")
}

// listener finds it; mistakes of the file are reported.
func (l *listenerFlags) listener(cmd *cobra.Command) (operators, error) {
	if l.address != "" {
		return operators(l.address), nil
	}
	address, err := configs.AdminAddress(l.file)
	return operators(address), report(err, cmd.ErrOrStderr())
}

// asker is who gives the command, for the audit.
func asker(getenv func(string) string) admin.Operator {
	return admin.Operator{By: cmp.Or(getenv("SUDO_USER"), getenv("USER"), "operator")}
}

// get reads an answer into out.
func (o operators) get(ctx context.Context, path string, out any) error {
	return o.ask(ctx, http.MethodGet, path, nil, out)
}

// post sends in, and reads what came of it into out.
func (o operators) post(ctx context.Context, path string, in, out any) error {
	return o.ask(ctx, http.MethodPost, path, in, out)
}

func (o operators) ask(ctx context.Context, method, path string, in, out any) error {
	status, said, err := o.call(ctx, method, path, in)
	if err != nil {
		return err
	}
	return o.read(status, said, out)
}

// read takes an answer into out, or gives the error that it is.
func (o operators) read(status int, said []byte, out any) error {
	if status == http.StatusOK && json.Unmarshal(said, out) == nil {
		return nil
	}
	var failure admin.Failure
	if status != http.StatusOK && json.Unmarshal(said, &failure) == nil && failure.Error != "" {
		return errors.New(failure.Error)
	}
	return fmt.Errorf("what answers at %s (with %d) is no operators' listener of a gateway of this version", o, status)
}

// call makes one request, with in as JSON, and gives the answer as it is.
func (o operators) call(ctx context.Context, method, path string, in any) (status int, said []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	resp, err := o.open(ctx, method, path, in)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if said, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", o, err)
	}
	return resp.StatusCode, said, nil
}

// errNoGateway is in the chain of errors of whoever asks where nobody listens.
var errNoGateway = errors.New("no gateway answers")

// open is call for an answer of any length, to read and close until ctx ends.
func (o operators) open(ctx context.Context, method, path string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", o, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+string(o)+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", o, err)
	}
	req.Host = "localhost" // the listener answers to no other name, lest a page of the web give it one
	req.Header.Set("Content-Type", "application/json")
	// No proxy, whatever the environment says: it would get break-glass links to see.
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return nil, fmt.Errorf("%w at %s: is it running? (%w)", errNoGateway, o, dial.Err)
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w", o, err)
	}
	return resp, nil
}
