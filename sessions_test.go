package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestRevokeReachesEverySocket: from the command's exit to the last close frame
// on the other replica it takes less than two seconds; others' stay open.
func TestRevokeReachesEverySocket(t *testing.T) {
	o := newOffice(t, storetest.Postgres(t))
	here, _ := o.start("0")
	there, _ := o.start("0")
	marie, paul := o.member(here, "U0MARIE"), o.member(here, "U0PAUL")
	var sockets []*websocket.Conn
	for _, replica := range []*program{here, there} {
		marie.at, paul.at = replica, replica
		marie.CloseIdleConnections()
		paul.CloseIdleConnections()
		sockets = append(sockets, paul.socket(), paul.socket())
	}
	maries := marie.socket()
	admin := here.admin.addr()
	if list := command(t, "sessions", "list", "--admin", admin); strings.Count(list, "\n") != 3 || !strings.Contains(list, "paul@agrafmania.fr") ||
		!strings.Contains(list, "Firefox on Linux") || !strings.Contains(list, "127.0.0.1") {
		t.Errorf("sessions list:\n%s", list)
	}
	if said := command(t, "sessions", "revoke", "--admin", admin, "--person", "paul@agrafmania.fr"); said != "1 session ended\n" {
		t.Errorf("sessions revoke: %s", said)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	for i, s := range sockets {
		var said websocket.CloseError
		if _, _, err := s.Read(ctx); !errors.As(err, &said) || said.Code != websocket.StatusPolicyViolation || said.Reason != "session ended" {
			t.Errorf("WebSocket %d ended with %v", i, err)
		}
	}
	if paul.signedIn() || !marie.signedIn() {
		t.Error("the wrong person is signed in on the other replica")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := maries.Ping(maries.CloseRead(ctx)); err != nil {
		t.Errorf("somebody else's WebSocket: %v", err)
	}
}

// TestRestart: a stopped and started program knows who was signed in, when they
// were seen, and who was signed out.
func TestRestart(t *testing.T) {
	storetest.EachState(t, func(t *testing.T, state string) {
		o := newOffice(t, state)
		p, stop := o.start("0")
		marie, paul := o.member(p, "U0MARIE"), o.member(p, "U0PAUL")
		command(t, "sessions", "revoke", "--admin", p.admin.addr(), "--person", "U0PAUL")
		before := command(t, "sessions", "list", "--json", "--admin", p.admin.addr())
		if !marie.signedIn() {
			t.Error("signed out before the restart")
		}
		stop()
		p, _ = o.start("0")
		marie.at, paul.at = p, p
		if after := command(t, "sessions", "list", "--json", "--admin", p.admin.addr()); after == before || strings.Count(after, `"id"`) != 1 {
			t.Errorf("when pages were opened before the stop is lost:\n%s", after)
		}
		if !marie.signedIn() || paul.signedIn() {
			t.Error("after the restart the wrong person is signed in")
		}
	})
}
