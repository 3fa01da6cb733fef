package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// newPair gives a new self-signed certificate and its key as PEM.
func newPair(t *testing.T, life time.Duration, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	template := &x509.Certificate{SerialNumber: serial, DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func write(t *testing.T, file, content string) {
	t.Helper()
	must(t, os.WriteFile(file, []byte(content), 0o600))
}

// TestFilesChange: however they are replaced, the new pair is in force within
// lookEvery; what is no pair leaves the old one, and is said once.
func TestFilesChange(t *testing.T) {
	old, oldKey := newPair(t, time.Hour, "old.cocoom.com")
	cert, key := newPair(t, time.Hour, "new.cocoom.com")
	for _, row := range []struct {
		name   string
		before func(t *testing.T, dir string) (cert, key string)
		change func(t *testing.T, dir string)
		want   string
		errors int
	}{
		{"written in place", plainFiles(old, oldKey), func(t *testing.T, dir string) {
			write(t, dir+"/c.pem", cert)
			write(t, dir+"/k.pem", key)
		}, "new.cocoom.com", 0},
		{"renamed over", plainFiles(old, oldKey), func(t *testing.T, dir string) {
			for name, content := range map[string]string{"c.pem": cert, "k.pem": key} {
				write(t, dir+"/.new", content)
				must(t, os.Rename(dir+"/.new", filepath.Join(dir, name)))
			}
		}, "new.cocoom.com", 0},
		{"a link that moves, as in Kubernetes", func(t *testing.T, dir string) (string, string) {
			must(t, os.Mkdir(dir+"/1", 0o700))
			write(t, dir+"/1/c.pem", old)
			write(t, dir+"/1/k.pem", oldKey)
			must(t, os.Symlink("1", dir+"/..data"))
			must(t, os.Symlink("..data/c.pem", dir+"/c.pem"))
			must(t, os.Symlink("..data/k.pem", dir+"/k.pem"))
			return dir + "/c.pem", dir + "/k.pem"
		}, func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/2", 0o700))
			write(t, dir+"/2/c.pem", cert)
			write(t, dir+"/2/k.pem", key)
			must(t, os.Symlink("2", dir+"/..tmp"))
			must(t, os.Rename(dir+"/..tmp", dir+"/..data"))
		}, "new.cocoom.com", 0},
		{"the certificate alone", plainFiles(old, oldKey), func(t *testing.T, dir string) { write(t, dir+"/c.pem", cert) }, "old.cocoom.com", 1},
		{"half of it", plainFiles(old, oldKey), func(t *testing.T, dir string) { write(t, dir+"/c.pem", old[:len(old)/2]) }, "old.cocoom.com", 1},
		{"a pipe, which nobody writes to", func(t *testing.T, dir string) (string, string) {
			if err := exec.Command("mkfifo", dir+"/pipe").Run(); err != nil {
				t.Skip("no pipe can be made: ", err)
			}
			return plainFiles(old, oldKey)(t, dir)
		}, func(t *testing.T, dir string) { must(t, os.Rename(dir+"/pipe", dir+"/c.pem")) }, "old.cocoom.com", 1},
		{"far too large", plainFiles(old, oldKey), func(t *testing.T, dir string) { must(t, os.Truncate(dir+"/c.pem", 1<<40)) }, "old.cocoom.com", 1},
		{"removed", plainFiles(old, oldKey), func(t *testing.T, dir string) { must(t, os.Remove(dir+"/k.pem")) }, "old.cocoom.com", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir, log := t.TempDir(), &record{}
			certFile, keyFile := row.before(t, dir)
			f, err := openFile(certFile, keyFile, log.logger())
			must(t, err)
			row.change(t, dir)
			f.look()
			f.look()
			if got := f.pair.Load().leaf.DNSNames[0]; got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
			if n := log.count("cannot be used"); n != row.errors {
				t.Errorf("said %d times that they cannot be used", n)
			}
			if (f.failed != nil) != (row.errors > 0) {
				t.Errorf("status says %v", f.failed)
			}
			must(t, os.Remove(dir+"/c.pem"))
			write(t, dir+"/c.pem", cert)
			write(t, dir+"/k.pem", key)
			if f.look(); f.pair.Load().leaf.DNSNames[0] != "new.cocoom.com" || f.failed != nil {
				t.Errorf("mended files are not read: %v", f.failed)
			}
		})
	}
}

func plainFiles(cert, key string) func(t *testing.T, dir string) (string, string) {
	return func(t *testing.T, dir string) (string, string) {
		write(t, dir+"/c.pem", cert)
		write(t, dir+"/k.pem", key)
		return dir + "/c.pem", dir + "/k.pem"
	}
}

// TestExpiryIsSaid daily from three weeks before, or a third of a short life.
func TestExpiryIsSaid(t *testing.T) {
	for _, row := range []struct {
		name string
		life time.Duration
		days int
		want int
	}{
		{"a year left", 365 * 24 * time.Hour, 10, 0},
		{"three weeks left tomorrow", 22 * 24 * time.Hour, 5, 0}, // of a life of 22 days: a third is 7
		{"three days left of nine", 9 * 24 * time.Hour, 9, 3},
		{"expired", -time.Minute, 2, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &record{}
				certFile, keyFile := plainFiles(newPair(t, row.life, "a.cocoom.com"))(t, t.TempDir())
				f, err := openFile(certFile, keyFile, log.logger())
				must(t, err)
				begin := time.Now()
				for now := begin; now.Sub(begin) <= time.Duration(row.days)*24*time.Hour; now = now.Add(time.Hour) {
					f.warn(now)
				}
				if n := log.count("about to expire"); n < row.want || n > row.want+1 {
					t.Errorf("said %d times, want %d", n, row.want)
				}
			})
		})
	}
}

// TestFollow reads the files anew without being told.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := plainFiles(newPair(t, time.Hour, "old.cocoom.com"))(t, dir)
	cert, key := newPair(t, time.Hour, "new.cocoom.com")
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{Serves: hosts(), Cert: certFile, Key: keyFile, Log: (&record{}).logger()})
		must(t, err)
		go func() { _ = c.Run(t.Context()) }()
		write(t, certFile, cert)
		write(t, keyFile, key)
		time.Sleep(lookEvery + time.Second)
		synctest.Wait()
		if got := c.Status(); got.Own.Names[0] != "new.cocoom.com" || got.Broken != nil {
			t.Errorf("status: %+v", got)
		}
	})
}
