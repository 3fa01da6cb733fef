package gateway

// Stop ends what would not end by itself, for a gateway that is about to stop:
// WebSockets get close code 1001 (going away), event streams end as if the app
// had ended them, and browsers connect again. Requests under way go on. It does
// not wait; see Parted.
func (g *Gateway) Stop() {
	g.stop()
	g.endStreams()
}

// Parted returns when the last WebSocket is closed, after Stop and after every
// handshake is over. It takes a second at most, which is as long as a client may take
// to answer.
func (g *Gateway) Parted() {
	g.endStreams() // those whose handshake was under way when Stop was called
	var open []*socket
	g.live.each(func(x *exchange) {
		if s := x.stream.socket.Load(); s != nil {
			open = append(open, s)
		}
	})
	for _, s := range open {
		<-s.over
	}
}

// goAway ends a WebSocket because the gateway stops; x must be in live, and is
// called by live.each alone.
func (x *exchange) goAway() {
	if s := x.stream.socket.Load(); s != nil {
		s.end(goingAway, x.stream.hangUp)
	}
}
