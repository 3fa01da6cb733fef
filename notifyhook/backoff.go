package notifyhook

import "time"

// backoff returns when to try again after the given number of failures in a
// row (1 for the first): 1 s, 5 s, 30 s, 2 min, 10 min, 30 min, then every hour.
// rnd, from 0 to 1, spreads that by 20 % either way, so that what failed
// together does not come back together.
func backoff(now time.Time, failures int, rnd float64) time.Time {
	steps := [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}
	step := steps[min(max(failures, 1), len(steps))-1]
	return now.Add(step + time.Duration((rnd*2-1)*0.2*float64(step)))
}
