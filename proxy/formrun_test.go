package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLoginsInParallel: an app that has lost its sessions is not run over by
// all its people at once, and nobody waits for ever.
func TestLoginsInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := formOf(t, Form{})
		const crowd = 10
		var running, done, refused atomic.Int32
		leave := make(chan bool)
		for range crowd {
			go func() {
				err := f.inTurn(func(context.Context) error {
					running.Add(1)
					defer running.Add(-1)
					<-leave
					return nil
				})
				var failed *loginFailure
				switch {
				case err == nil:
					done.Add(1)
				case errors.As(err, &failed) && failed.reason == "login_queue":
					refused.Add(1)
				default:
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if n := running.Load(); n != parallelLogins {
			t.Errorf("%d logins at once, want %d", n, parallelLogins)
		}
		leave <- true
		synctest.Wait()
		if n := running.Load(); n != parallelLogins {
			t.Errorf("after one has ended %d run, want %d", n, parallelLogins)
		}
		time.Sleep(slotPatience)
		synctest.Wait() // the others' patience ends at this very moment
		close(leave)
		synctest.Wait()
		if done.Load() != 1+parallelLogins || refused.Load() != crowd-1-parallelLogins {
			t.Errorf("%d done, %d refused", done.Load(), refused.Load())
		}
	})
}
