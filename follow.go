package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// maxTold is how many mistakes of a configuration the log and the status name.
const maxTold = 100

var errNoFile = errors.New("this gateway was started without a configuration file")

// follow reads the configuration again on each hang-up, and when its files have
// changed, until ctx ends. One that is wrong leaves the one in force; the log has
// every mistake, once.
func (p *program) follow(ctx context.Context) error {
	var change settling
	timer := time.NewTimer(p.source.every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.source.hangups:
			p.reloadAnd(ctx, true)
		case <-timer.C:
			begun := time.Now()
			now, same := p.source.now()
			looked := time.Since(begun)
			if change.isOver(now, same) {
				p.reloadAnd(ctx, false)
			}
			// A reload may have waited for a store that hangs: what happened meanwhile,
			// such as the file's being mended, is to be noticed soon all the same.
			timer.Reset(max(p.source.every, lookShare*looked))
		}
	}
}

// reloadAnd reloads, and logs what came of it; whether it is wrong for the same
// reason as before is only said to those who asked.
func (p *program) reloadAnd(ctx context.Context, asked bool) {
	before := p.configuration()
	_, err := p.reload(ctx, false)
	now := p.configuration()
	switch {
	case ctx.Err() != nil:
	case err != nil && (asked || now.Error != before.Error):
		p.log.Error("configuration is refused; the one in force goes on", "file", now.File, "generation", now.Generation, "mistakes", strings.Split(now.Error, "\n"))
	case err != nil:
	case now.Generation == before.Generation && (asked || before.Error != ""):
		p.log.Info("configuration is the one in force", "file", now.File, "generation", now.Generation)
	}
}

// reload reads the configuration and puts it in force, or says what that would
// change. The error, a *configs.Error for what is wrong with the file, leaves
// what is in force.
func (p *program) reload(ctx context.Context, dryRun bool) (admin.Reloaded, error) {
	if p.source == nil {
		return admin.Reloaded{}, errNoFile
	}
	p.source.reading.Lock()
	defer p.source.reading.Unlock()
	if dryRun {
		return p.wouldChange()
	}
	file, err := p.source.read()
	var changes configs.Changes
	if err == nil {
		if changes = configs.Compare(p.inFile(), file); !changes.None() {
			err = p.apply(ctx, file)
		}
	}
	var wrong *configs.Error
	if err != nil && !errors.As(err, &wrong) {
		p.source.again() // it may be good by itself soon, such as when the store is back
	}
	p.current.tell(func(c *admin.Configuration) {
		c.Error, c.ErrorAt = "", time.Time{}
		if err != nil {
			c.Error, c.ErrorAt = told(err), time.Now().UTC()
		}
	})
	now := p.configuration()
	if err == nil && !changes.None() {
		p.log.Info("configuration is in force", "file", now.File, "generation", now.Generation, "routes", now.Routes, "added", len(changes.Added),
			"removed", len(changes.Removed), "changed", len(changes.Changed), "restart", now.Restart)
	}
	return admin.Reloaded{Changes: changes, Restart: now.Restart, Configuration: now}, err
}

// wouldChange is reload without an effect, also on what is looked for later.
func (p *program) wouldChange() (admin.Reloaded, error) {
	file, err := configs.Load(p.source.path, p.source.getenv)
	if err != nil {
		return admin.Reloaded{}, err
	}
	_, restart := p.keepStarted(file)
	return admin.Reloaded{Changes: configs.Compare(p.inFile(), file), Restart: restart, Configuration: p.configuration()}, nil
}

// inFile is what the file said that is in force.
func (p *program) inFile() *configs.Config {
	p.current.mu.Lock()
	defer p.current.mu.Unlock()
	return p.current.file
}

// told is an error as the log and the status have it: each mistake on a line of
// its own, and not more than an operator would read.
func told(err error) string {
	var wrong *configs.Error
	if !errors.As(err, &wrong) {
		return err.Error()
	}
	if n := len(wrong.Mistakes) - maxTold; n > 0 {
		return (&configs.Error{Mistakes: wrong.Mistakes[:maxTold]}).Error() + fmt.Sprintf("\nand %s more", plural(n, "mistake"))
	}
	return wrong.Error()
}
