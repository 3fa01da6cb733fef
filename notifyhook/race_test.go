//go:build race

package notifyhook

// racing says that the race detector is on. It looks at how memory is shared,
// and takes ten times the time and twice the memory: what measures those, or
// only counts, is left to the run without it.
const racing = true
