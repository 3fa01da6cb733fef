package main

import (
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestDoctor: the running gateway looks, and where none runs, the command does.
func TestDoctor(t *testing.T) {
	c := customers[0]
	o := newOffice(t, t.TempDir()+"/data")
	p, stop := o.start(o.origin[strings.LastIndexByte(o.origin, ':')+1:])
	file, at := o.file("0"), "--admin="+p.admin.addr()
	said := command(t, "doctor", at)
	t.Log(said)
	_ = c
	stop()
	out, errs := exits(t, 1, "doctor", "-c", file)
	t.Log(out, errs)
	var _ slacksim.Config
}
