package admin

import (
	"io"
	"net/http"
	"strconv"
)

// backups serves POST /backup, one at a time: each takes as much of the disk as the
// store, for as long as somebody reads it.
func (cfg Config) backups() http.Handler {
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
			cfg.backup(w, r)
		default:
			answer(w, http.StatusConflict, Failure{"another backup is being read"})
		}
	})
}

// backup makes one. It is written down first: a copy holds what is known of everybody.
func (cfg Config) backup(w http.ResponseWriter, r *http.Request) {
	var who Operator
	err := decode(r.Body, &who)
	if err == nil {
		err = who.validate()
	}
	if err == nil && cfg.Backup == nil {
		err = mistake("a PostgreSQL database is backed up by its own tools: pg_dump, or a physical backup")
	}
	if err == nil {
		err = cfg.Gateway.Audit(r.Context(), who.By, "store.copied", "")
	}
	if err != nil {
		cfg.fail(w, r, err)
		return
	}
	copied, err := cfg.Backup(r.Context())
	if err != nil {
		cfg.fail(w, r, err)
		return
	}
	defer copied.Close()
	info, err := copied.Stat()
	if err != nil {
		cfg.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.sqlite3")
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10)) // so that one that breaks off is seen to
	w.Header().Set("Cache-Control", "no-store")
	if _, err := io.Copy(w, copied); err != nil {
		cfg.Log.Warn("a backup broke off", "error", err)
	}
}
