package httpsig_test

import (
	"errors"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
)

// The digests of RFC 9530, appendix D, of {"hello": "world"} without a line feed.
func TestContentDigest(t *testing.T) {
	body := []byte(`{"hello": "world"}`)
	const digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
	if got := httpsig.ContentDigest(body); got != digest {
		t.Errorf("got %s", got)
	}
	const other = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
	var room httpsig.Room
	for _, row := range []struct {
		name string
		line string
		want error
	}{
		{"sha-256", digest, nil},
		{"sha-512", other, nil},
		{"both, and one that is unknown", digest + ", " + other + ", md5=:aGk=:", nil},
		{"one right and one wrong", digest + ", sha-512=:aGk=:", httpsig.ErrDigest},
		{"a list", "sha-256=()", httpsig.ErrDigest},
		{"a text", `sha-256="x"`, httpsig.ErrDigest},
		{"none that is secure", "md5=:aGk=:", httpsig.ErrNoDigest},
		{"nothing", "", httpsig.ErrNoDigest},
		{"no dictionary", "!", httpsig.ErrField},
	} {
		if err := room.CheckDigest([]string{row.line}, body); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
