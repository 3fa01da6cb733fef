package secret

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// KeySize is the length in bytes of the keys that Key32 reads: AES-256.
const KeySize = 32

// Key32 gives the key of 32 bytes that text holds in hex or in any of the base64
// alphabets, padded or not, with or without white space around it. Its error
// does not quote the text, which may be a near miss of the key.
func Key32(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString,
		base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := decode(text); err == nil && len(key) == KeySize {
			return key, nil
		}
	}
	return nil, errors.New("must be 32 bytes in base64 or hex")
}
