package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// Master is the key under which the key ring lies sealed. Its zero value seals
// and opens nothing.
type Master struct {
	key    func() []byte // a closure, so that no way of printing a Master shows the key
	id     string        // fingerprint: 16 hex digits
	source string        // where it came from, for errors
}

// LoadMaster returns the master key: configured if that is not empty, 32 bytes
// in base64 or hex; else the one in the file master.key of the directory state,
// made at random, mode 0600, if there is none. With PostgreSQL there is no such
// directory and configured is required, the same for all replicas. Call it after
// Open, which makes the directory.
func LoadMaster(state, configured string) (Master, error) {
	master, err := ReadMaster(state, configured)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createMaster(filepath.Join(state, masterFile)); err != nil {
			return Master{}, fmt.Errorf("make the master key: %w", err)
		}
		master, err = ReadMaster(state, configured) // another process may have been first
	}
	return master, err
}

// ReadMaster is LoadMaster that makes no key: where there is none, its error
// wraps fs.ErrNotExist.
func ReadMaster(state, configured string) (Master, error) {
	const hint = "make one with: openssl rand -base64 32"
	switch {
	case configured != "":
		key, err := secret.Key32(configured)
		if err != nil {
			return Master{}, fmt.Errorf("master_key: %w; %s", err, hint)
		}
		return newMaster(key, "master_key of the configuration"), nil
	case isPostgres(state):
		return Master{}, errors.New("master_key: required with PostgreSQL, the same on all replicas; " + hint)
	}
	file := filepath.Join(state, masterFile)
	key, err := readMaster(file)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	return newMaster(key, file), nil
}

func newMaster(key []byte, source string) Master {
	sum := sha256.Sum256(append([]byte("cocoom-gateway master key fingerprint\x00"), key...))
	return Master{key: func() []byte { return key }, id: hex.EncodeToString(sum[:8]), source: source}
}

func readMaster(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %04o lets other users read it: if none did, chmod 600 it", file, mode)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := secret.Key32(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: damaged: %w; put a copy back, since only this key opens what is sealed", file, err)
	}
	return key, nil
}

// createMaster writes a new key to file whole or not at all: to a name of its
// own, synced, and only then linked to file. A file that is there by now stays.
func createMaster(file string) (err error) {
	key := make([]byte, secret.KeySize)
	rand.Read(key) // never fails
	temp := file + "." + rand.Text()
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temp), syncDir(filepath.Dir(file))) }()
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(temp, file); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// A sealed value is sealedV1, the master key's fingerprint (8 bytes), the
// nonce (12 bytes) and the AES-256-GCM ciphertext with its tag.
const sealedV1 = 1

// Seal seals value for one place: purpose and id are authenticated with it, so
// that a row copied to another place does not open.
func (m Master) Seal(purpose, id string, value []byte) ([]byte, error) {
	aead, head, err := m.aead()
	if err != nil {
		return nil, err
	}
	// #nosec G407 -- the AEAD draws a random nonce itself
	return append(head, aead.Seal(nil, nil, value, additional(head, purpose, id))...), nil
}

// Open is the reverse of Seal. It tells another master key from damage.
func (m Master) Open(purpose, id string, sealed []byte) ([]byte, error) {
	aead, head, err := m.aead()
	if err != nil {
		return nil, err
	}
	if len(sealed) < len(head) || sealed[0] != sealedV1 {
		return nil, fmt.Errorf("key %s of %s is damaged, or from a newer release", id, purpose)
	}
	if !bytes.Equal(sealed[:len(head)], head) {
		return nil, fmt.Errorf("key %s of %s is sealed under master key %x, but %s holds %s: put the former back there",
			id, purpose, sealed[1:len(head)], m.source, m.id)
	}
	value, err := aead.Open(nil, nil, sealed[len(head):], additional(head, purpose, id))
	if err != nil {
		return nil, fmt.Errorf("key %s of %s is damaged or was moved here from another place", id, purpose)
	}
	return value, nil
}

func (m Master) aead() (_ cipher.AEAD, head []byte, err error) {
	if m.key == nil {
		return nil, nil, errors.New("no master key")
	}
	block, err := aes.NewCipher(m.key())
	if err != nil {
		return nil, nil, fmt.Errorf("master key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, nil, fmt.Errorf("master key: %w", err)
	}
	id, err := hex.DecodeString(m.id)
	if err != nil {
		return nil, nil, fmt.Errorf("master key: %w", err)
	}
	return aead, append([]byte{sealedV1}, id...), nil
}

// additional joins what is authenticated beside the value. The lengths are in
// it, so that ("ab", "c") is not ("a", "bc").
func additional(head []byte, purpose, id string) []byte {
	return fmt.Appendf(nil, "%s%d:%s%d:%s", head, len(purpose), purpose, len(id), id)
}
