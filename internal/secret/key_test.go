package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

func TestKey32(t *testing.T) {
	want := bytes.Repeat([]byte{0xfb, 0xff}, 16) // + and / in base64
	for _, text := range []string{
		hex.EncodeToString(want), strings.ToUpper(hex.EncodeToString(want)), "\n " + hex.EncodeToString(want) + "\n",
		base64.StdEncoding.EncodeToString(want), base64.RawStdEncoding.EncodeToString(want),
		base64.URLEncoding.EncodeToString(want), base64.RawURLEncoding.EncodeToString(want),
	} {
		if got, err := secret.Key32(text); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: got %x, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", " ", "correct horse battery staple", hex.EncodeToString(want[:31]), hex.EncodeToString(want) + "00",
		base64.StdEncoding.EncodeToString(want[:16]), base64.StdEncoding.EncodeToString(append(want, 1)),
	} {
		got, err := secret.Key32(text)
		if err == nil || got != nil || !strings.Contains(err.Error(), "32 bytes in base64 or hex") {
			t.Errorf("%q: got %x, %v", text, got, err)
		} else if len(text) > 1 && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}
