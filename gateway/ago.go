package gateway

import (
	"strconv"
	"strings"
	"time"
)

// ago says how long ago something was, for people: to the minute at most.
func ago(lang string, d time.Duration) string {
	unit, n := "just_now", 0
	switch {
	case d >= 48*time.Hour:
		unit, n = "days_ago", int(d/(24*time.Hour))
	case d >= 2*time.Hour:
		unit, n = "hours_ago", int(d/time.Hour)
	case d >= 2*time.Minute:
		unit, n = "minutes_ago", int(d/time.Minute)
	}
	return strings.ReplaceAll(labels[lang][unit], "{n}", strconv.Itoa(n))
}
