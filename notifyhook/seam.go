package notifyhook

// point is a step of a notification's way that a crash may follow.
type point string

const (
	atAccepted  point = "accepted"  // committed; the caller has no answer yet
	atClaimed   point = "claimed"   // attempts begun and committed; Slack is not called yet
	atAnswered  point = "answered"  // Slack has answered; nothing is written down of it
	atRecorded  point = "recorded"  // the outcome is committed
	atMoving    point = "moving"    // half of a move is done, nothing committed
	atMoved     point = "moved"     // deliveries are in their conversation's lane
	atSearched  point = "searched"  // Slack's history has answered; nothing is written down of it
	atRepeating point = "repeating" // what is known of an attempt in doubt is committed; nothing is sent again yet
)

// reached tells the test that kills the process where it is.
func (r *Relay) reached(p point) {
	if r.onPoint != nil {
		r.onPoint(p)
	}
}
