package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

const (
	diskWrong, diskWarn   = 64 << 20, 1 << 30 // bytes that are free
	inodeWrong, inodeWarn = 100, 10_000
	waitWarn, waitWrong   = 15 * time.Minute, 2 * time.Hour
	maxLeftovers          = 10 // that are named
)

// volume is what a file system has left for us.
type volume struct {
	bytes, inodes uint64
	counted       bool // the file system has a fixed number of inodes
	mode          fs.FileMode
	writable      error // why not
}

// disk looks at the state directory.
func (d *Doctor) disk(n *notes) {
	dir := d.cfg.Config.State.Reveal()
	if strings.HasPrefix(dir, "postgres") && strings.Contains(dir, "://") {
		return
	}
	v, err := volumeOf(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.warn("disk", "start the gateway, which makes it", "the state directory %s is not there yet", dir)
	case err != nil:
		n.wrong("disk", "let the gateway's user enter and read it", "the state directory cannot be looked at: %s", err)
	default:
		v.judge(dir, n)
	}
}

func volumeOf(dir string) (v volume, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return v, err
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return v, fmt.Errorf("ask for free space: %w", err)
	}
	v = volume{bytes: uint64(st.Bavail) * uint64(st.Bsize), inodes: uint64(st.Ffree), counted: st.Files > 0, mode: info.Mode().Perm()}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		v.writable = err
		return v, nil
	}
	_, err = f.Write(make([]byte, 4096))
	v.writable = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	return v, nil
}

func (v volume) judge(dir string, n *notes) {
	const room = "make room on it, or move the state to a larger disk while the gateway is stopped"
	left := size(int64(min(v.bytes, 1<<62))) + " are free"
	switch {
	case v.writable != nil:
		n.wrong("disk", "let the gateway's user write there, and see that the disk is neither full nor mounted read-only", "the state directory %s cannot be written to: %s", dir, v.writable)
	case v.mode&0o077 != 0:
		n.wrong("disk", "chmod 700 "+dir, "the state directory %s lets other users in (mode %04o)", dir, v.mode)
	case v.bytes < diskWrong:
		n.wrong("disk", room, "the state directory's disk is full: %s", left)
	case v.counted && v.inodes < inodeWrong:
		n.wrong("disk", room, "the state directory's disk takes no more files: %d are left", v.inodes)
	case v.bytes < diskWarn:
		n.warn("disk", room, "the state directory's disk is nearly full: %s", left)
	case v.counted && v.inodes < inodeWarn:
		n.warn("disk", room, "the state directory's disk takes few more files: %d are left", v.inodes)
	default:
		n.ok("disk", "the state directory is ours alone and can be written to; %s", left)
	}
}

// database looks at the store itself.
func (d *Doctor) database(ctx context.Context, n *notes) {
	if d.cfg.Store == nil {
		if errors.Is(d.cfg.StoreError, fs.ErrNotExist) {
			n.warn("database", "start the gateway, which makes it", "there is no database yet")
			return
		}
		n.wrong("database", "start the database, or mend state: in the configuration; see that its address, user and password are right", "the store cannot be opened: %v", d.cfg.StoreError)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	begun := time.Now()
	about, err := d.cfg.Store.About(ctx)
	took := time.Since(begun)
	switch {
	case err != nil:
		n.wrong("database", "look at the database's log, and at the way to it", "the store cannot be read: %s", err)
	case about.Lossy:
		n.wrong("database", "set synchronous_commit, fsync and full_page_writes to on: what was accepted could be lost", "%s loses what it has committed when the power fails: %s", about.Version, about.Durable)
	case about.Schema != about.Known:
		n.warn("database", "run the same release everywhere; the newest brings the tables up to date when it starts", "%s has tables of release %d, this program knows %d", about.Version, about.Schema, about.Known)
	default:
		n.ok("database", "%s, %s, commits survive a power cut (%s); answers after %s", about.Version, size(about.Bytes), about.Durable, took.Round(100*time.Microsecond))
	}
}

// keyRings looks at the keys that lie sealed in the store.
func (d *Doctor) keyRings(ctx context.Context, n *notes) {
	if d.cfg.Store == nil || d.cfg.Rings == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	rings, err := d.cfg.Rings(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.warn("keys", "start the gateway, which makes one; or put the former master key back", "there is no master key")
		return
	case err != nil:
		n.wrong("keys", "put the master key back that the keys were sealed under: master_key, or master.key in the state directory", "the keys cannot be opened: %s", err)
		return
	}
	now := d.cfg.Now()
	var oldest, next Ring
	for _, r := range rings {
		if oldest.Purpose == "" || r.Since.Before(oldest.Since) {
			oldest = r
		}
		if next.Purpose == "" || r.Next.Before(next.Next) {
			next = r
		}
	}
	switch {
	case len(rings) == 0:
		n.warn("keys", "start the gateway, which makes them", "there are no keys yet")
	case now.After(next.Next.Add(time.Hour)):
		n.warn("keys", "see that a gateway runs and may write to the store: it rotates keys by itself", "the key for %s should have been replaced %s ago", next.Purpose, span(now.Sub(next.Next)))
	default:
		n.ok("keys", "the master key opens all %d rings; the oldest key is in use for %s, the next rotation is in %s", len(rings), span(now.Sub(oldest.Since)), span(next.Next.Sub(now)))
	}
}

// leftovers looks for secrets of Slack apps that no route uses any more.
func (d *Doctor) leftovers(ctx context.Context, n *notes) {
	if d.cfg.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	hosts, err := gateway.AppHosts(ctx, d.cfg.Store)
	if err != nil {
		n.unknown("secrets", "those of Slack apps cannot be counted: %s", err)
		return
	}
	used := map[string]bool{}
	for i := range d.cfg.Config.Routes {
		used[d.cfg.Config.Routes[i].Host] = d.cfg.Config.Routes[i].SlackApp.Managed
	}
	hosts = slices.DeleteFunc(hosts, func(host string) bool { return used[host] })
	for _, host := range hosts[:min(len(hosts), maxLeftovers)] {
		n.warn("secrets", "cocoom-gateway setup "+host+" --reset --yes", "the secrets of the Slack app of %s are kept, which has no route with a managed app", host)
	}
	if more := len(hosts) - maxLeftovers; more > 0 {
		n.warn("secrets", "forget those above, and look again", "and of %s", count(more, "other host", "other hosts"))
	}
}

// queue looks at what waits to be delivered.
func (d *Doctor) queue(ctx context.Context, routes []*configs.Route, n *notes) {
	if d.cfg.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	open, err := notifyhook.OpenDeliveries(ctx, d.cfg.Store)
	if err != nil {
		n.unknown("queue", "cannot be counted: %s", err)
		return
	}
	waiting := map[string]notifyhook.Open{}
	total := 0
	for _, one := range open {
		waiting[one.Route] = one
		total += one.Deliveries
	}
	late := false
	for _, rt := range routes {
		one := waiting[rt.Host]
		if rt.Notify == nil || one.Deliveries == 0 {
			continue
		}
		of := notes{route: rt.Host}
		d.backlog(rt, one, &of)
		late = late || len(of.list) > 0
		n.list = append(n.list, of.list...)
	}
	if !late {
		n.ok("queue", "%s, none for long", count(total, "delivery waits", "deliveries wait"))
	}
}

func (d *Doctor) backlog(rt *configs.Route, open notifyhook.Open, n *notes) {
	const why = "see why: cocoom-gateway notifications list --route "
	limit := rt.Notify.Limits.MaxOpen()
	switch share := open.Deliveries * 100 / limit; {
	case share >= 100:
		n.wrong("queue", why+rt.Host, "%s, which is all that may: callers get 429", count(open.Deliveries, "delivery waits", "deliveries wait"))
	case share >= 80:
		n.warn("queue", why+rt.Host, "%d deliveries wait, of %d that may", open.Deliveries, limit)
	}
	if open.Oldest.IsZero() {
		return
	}
	switch waited := d.cfg.Now().Sub(open.Oldest); {
	case waited >= waitWrong:
		n.wrong("queue", why+rt.Host, "the oldest delivery waits for %s", span(waited))
	case waited >= waitWarn:
		n.warn("queue", why+rt.Host, "the oldest delivery waits for %s", span(waited))
	}
}
