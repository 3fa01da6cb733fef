package notifyhook

// Statuses are the words for what became of a notification, by which a Query
// selects.
func Statuses() []string {
	return []string{"scheduled", "queued", "sent", "partial", "failed", "cancelled", "suppressed"}
}
