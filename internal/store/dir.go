package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// The files of a state directory. SQLite adds gateway.db-wal and gateway.db-shm.
const (
	databaseFile = "gateway.db"
	lockFile     = "gateway.lock"
	masterFile   = "master.key"
)

// prepareDir makes dir with mode 0700, or sees to it that an existing one is
// closed to others. It tightens only a directory that is plainly ours, empty or
// with our database in it: `state: /tmp` must not close /tmp to everybody.
func prepareDir(dir string, log *slog.Logger) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil:
		return syncDir(filepath.Dir(dir)) // without it a power cut may take the directory with all that was committed in it
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: make the state directory: %w", ErrUnavailable, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("%w: state directory: %w", ErrUnavailable, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("state directory %s: it is not a directory", dir)
	}
	mode := info.Mode().Perm()
	if mode&0o077 == 0 {
		return nil
	}
	if ours(dir) {
		if err := os.Chmod(dir, mode&^0o077); err == nil {
			log.Warn("state directory was open to other users, closed it", "dir", dir, "mode", fmt.Sprintf("%04o", mode))
			return nil
		}
	}
	return fmt.Errorf("state directory %s: mode %04o lets other users in; it holds sessions and keys: chmod 700 it, or name a directory of its own inside, such as %s",
		dir, mode, filepath.Join(dir, "gateway"))
}

func ours(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	if len(entries) == 0 {
		return true
	}
	_, err = os.Stat(filepath.Join(dir, databaseFile))
	return err == nil
}

// dirLock is the lock that keeps a second process out of a state directory.
type dirLock struct{ *os.File }

// lockDir locks dir by a file of its own: on the database file SQLite's POSIX
// locks would vanish as soon as any descriptor of it is closed.
func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: state directory %s is not writable: %w", ErrUnavailable, dir, err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return &dirLock{f}, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("another cocoom-gateway is using the state directory %s: stop it, or give this one a directory of its own; several processes can share a PostgreSQL (state: postgres://…)", dir)
	}
	return nil, fmt.Errorf("lock the state directory %s: %w", dir, err)
}

// Close gives the directory free, once.
func (l *dirLock) Close() error {
	if err := l.File.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// createPrivate makes an empty file that only we may read, if it is not there.
// SQLite would leave the mode to the umask; its log files take the database's.
func createPrivate(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: create the database: %w", ErrUnavailable, err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return fmt.Errorf("close the database to others: %w", err)
	}
	return nil
}

// syncDir makes new names in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
