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
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const (
	askTime   = 15 * time.Second // for one answer of the operators' listener
	maxAnswer = 4 << 20          // 500 sessions are about 200 KiB
)

// operators asks a running gateway, through its operators' listener.
type operators struct {
	address string
	token   secret.String // what it is shown; empty: nothing
	source  string        // where the token is from, for people
}

// String is where the listener is.
func (o operators) String() string { return o.address }

// tokenVariable may have the admin token, for machines without the file.
const tokenVariable = "GATEWAY_ADMIN_TOKEN"

// listenerFlags say where that is, by -c FILE or by --admin ADDRESS, and which
// token it asks for.
type listenerFlags struct {
	file, address, tokenFile string
	getenv                   func(string) string
}

// add gives them to a command and those below it, and says so in its help.
func (l *listenerFlags) add(cmd *cobra.Command, getenv func(string) string) {
	cmd.Long = cmp.Or(cmd.Long, cmd.Short+".") + "\n\n" +
		"It asks the running gateway, through its operators' listener, and needs none of the secrets in the configuration\n" +
		"but admin_token, if there is one, which " + tokenVariable + " or --admin-token-file give as well."
	cmd.PersistentFlags().StringVarP(&l.file, "config", "c", defaultFile, "configuration `file`, of which the keys admin and admin_token alone are read")
	l.addAddress(cmd, getenv)
}

// addAddress gives those alone that say what the file would.
func (l *listenerFlags) addAddress(cmd *cobra.Command, getenv func(string) string) {
	l.getenv = getenv
	cmd.PersistentFlags().StringVar(&l.address, "admin", "", "`address` of the operators' listener, rather than the file's")
	cmd.PersistentFlags().StringVar(&l.tokenFile, "admin-token-file", "", "`file` that holds the admin token, rather than the configuration's")
}

// place finds the listener's address; mistakes of the file are reported.
func (l *listenerFlags) place(cmd *cobra.Command) (string, error) {
	if l.address != "" {
		return l.address, nil
	}
	address, err := configs.AdminAddress(l.file)
	return address, report(err, cmd.ErrOrStderr())
}

// listener finds the listener, and the token to show it: that of the flag, else
// of the environment, else of the file that has the address.
func (l *listenerFlags) listener(cmd *cobra.Command) (o operators, err error) {
	if o.address, err = l.place(cmd); err != nil {
		return o, err
	}
	o, given, err := l.givenToken(o)
	if err != nil || given || l.address != "" {
		return o, err
	}
	o.source = "admin_token in " + l.file
	if o.token, err = configs.AdminToken(l.file, l.getenv); err != nil {
		err = report(err, cmd.ErrOrStderr())
		fmt.Fprintf(cmd.ErrOrStderr(), "The running gateway's admin_token is needed: give it by --admin-token-file FILE, or in %s.\n", tokenVariable)
	}
	return o, err
}

// givenToken puts the token of the flag or of the environment into o.
func (l *listenerFlags) givenToken(o operators) (_ operators, given bool, err error) {
	if l.tokenFile != "" {
		content, err := os.ReadFile(l.tokenFile)
		if err != nil {
			return o, false, fmt.Errorf("--admin-token-file: %w", err)
		}
		o.token, o.source = secret.String(strings.TrimSpace(string(content))), "--admin-token-file "+l.tokenFile
		return o, true, nil
	}
	if token := l.getenv(tokenVariable); token != "" {
		o.token, o.source = secret.String(token), "the environment variable "+tokenVariable
		return o, true, nil
	}
	return o, false, nil
}

// refused is what to do about a listener that wants another token.
func (o operators) refused() error {
	if o.token == "" {
		return fmt.Errorf("the gateway at %s asks for its admin token: name its configuration with -c FILE, or give the token by --admin-token-file FILE or in %s", o, tokenVariable)
	}
	return fmt.Errorf("the gateway at %s does not take the admin token from %s: it must be the admin_token that it was started with", o, o.source)
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
	if status == http.StatusUnauthorized {
		return o.refused()
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

// refusal is what an answer says that is not the one wanted.
func (o operators) refusal(resp *http.Response) error {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what cannot be read is no answer
	return o.read(resp.StatusCode, said, nil)
}

// errNoGateway is in the chain of errors of whoever asks where nobody listens.
var errNoGateway = errors.New("no gateway answers")

// open is call for an answer of any length, to read and close until ctx ends.
func (o operators) open(ctx context.Context, method, path string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", o, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+o.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", o, err)
	}
	req.Host = "localhost" // the listener answers to no other name, lest a page of the web give it one
	req.Header.Set("Content-Type", "application/json")
	if o.token != "" {
		req.Header.Set("Authorization", "Bearer "+o.token.Reveal())
	}
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
