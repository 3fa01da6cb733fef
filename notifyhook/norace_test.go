//go:build !race

package notifyhook

const racing = false
