package main

import (
	"log/slog"
	"net"
	"time"
)

// tellTime is more than a manager that lives needs to take a datagram.
const tellTime = time.Second

// serviceManager is the address of the socket where the service manager wants to
// hear how the service does; empty: there is none. systemd gives it as
// NOTIFY_SOCKET (sd_notify(3), section "Notes": a datagram with lines NAME=VALUE).
type serviceManager string

// tell says something, such as READY=1. That it cannot be heard is logged, and no reason
// to stop serving.
func (m serviceManager) tell(log *slog.Logger, state string) {
	if m == "" {
		return
	}
	// net takes a leading @ for the abstract socket that systemd means by it.
	conn, err := net.DialTimeout("unixgram", string(m), tellTime)
	if err == nil {
		defer conn.Close()
		_ = conn.SetWriteDeadline(time.Now().Add(tellTime)) // a datagram's socket has deadlines
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		log.Warn("the service manager cannot be told", "state", state, "error", err)
	}
}
