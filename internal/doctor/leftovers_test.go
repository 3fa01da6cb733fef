package doctor_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/doctor"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestSecretsLeftBehind: the secrets of managed apps without a route are named,
// and no others; and not more than can be read.
func TestSecretsLeftBehind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		c := newClinicWith(t, t.TempDir(), st)
		keep := func(host, sealed string) {
			err := st.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, `INSERT INTO slack_app (route, sealed, changed_at) VALUES ($1, $2, 1)`, host, []byte(sealed))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		found := func() (list []string) {
			err := doctor.New(c.cfg).Run(t.Context(), nil, func(e doctor.Event) {
				if e.Finding != nil && e.Finding.Check == "secrets" {
					list = append(list, e.Finding.Text+" "+e.Finding.Remedy)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		keep("forgotten.example", "")
		keep(host, "sealed")
		if got := found(); len(got) != 1 || !strings.Contains(got[0], host) {
			t.Errorf("of a route that is not managed any more: %q", got)
		}
		c.route.SlackApp.Managed = true
		if got := found(); len(got) != 0 {
			t.Errorf("of a managed route: %q", got)
		}
		for i := range 12 {
			keep(fmt.Sprintf("gone%02d.example", i), "sealed")
		}
		if got := found(); len(got) != 11 || !strings.Contains(got[0], "setup gone00.example --reset --yes") || !strings.Contains(got[10], "2 other hosts") {
			t.Errorf("of twelve that are gone: %q", got)
		}
	})
}
