package callback_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

// secret returns a key that differs for each n.
func secret(n byte) []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = n + byte(i)
	}
	return b
}

func keyring(tb testing.TB, newest []byte, older ...[]byte) *callback.Keyring {
	tb.Helper()
	k, err := callback.NewKeyring(newest, older...)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func TestNewKeyringReportsEveryMistake(t *testing.T) {
	_, err := callback.NewKeyring(nil, secret(1)[:31], make([]byte, 32), secret(9), secret(9))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"callback: newest key must have at least 32 bytes",
		"callback: older[0] key must have at least 32 bytes",
		"callback: older[1] key must be random, and is one byte repeated",
		"callback: older[3] key must not repeat another key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

func TestSealOpensOnlyForItsUse(t *testing.T) {
	k := keyring(t, secret(1))
	inAnHour := time.Now().Add(time.Hour)
	sealed := k.Seal("session", "__Host-a", []byte("value"), inAnHour)
	if got, expires, err := k.Open("session", "__Host-a", sealed); string(got) != "value" || err != nil || expires.Unix() != inAnHour.Unix() {
		t.Errorf("Open = %q, %v, %v", got, expires, err)
	}
	if again := k.Seal("session", "__Host-a", []byte("value"), inAnHour); again == sealed {
		t.Error("sealing twice gives the same text")
	}
	for _, tt := range []struct {
		name             string
		keys             *callback.Keyring
		purpose, as, raw string
	}{
		{"for another purpose", k, "flow", "__Host-a", sealed},
		{"under another name", k, "session", "__Host-b", sealed},
		{"with the border between purpose and name moved", k, "sessio", "n__Host-a", sealed},
		{"by another key", keyring(t, secret(2)), "session", "__Host-a", sealed},
		{"cut short", k, "session", "__Host-a", sealed[:len(sealed)-1]},
		{"empty", k, "session", "__Host-a", ""},
		{"shorter than its own frame", k, "session", "__Host-a", sealed[:20]},
		{"not base64", k, "session", "__Host-a", "!" + sealed[1:]},
		{"with a newline, which lax decoders skip", k, "session", "__Host-a", sealed[:10] + "\n" + sealed[10:]},
	} {
		if got, _, err := tt.keys.Open(tt.purpose, tt.as, tt.raw); !errors.Is(err, callback.ErrSealInvalid) || got != nil {
			t.Errorf("%s: Open = %q, %v", tt.name, got, err)
		}
	}
	raw, _ := base64.RawURLEncoding.DecodeString(sealed)
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, _, err := k.Open("session", "__Host-a", base64.RawURLEncoding.EncodeToString(changed)); !errors.Is(err, callback.ErrSealInvalid) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
}

func TestRotatedKeysStillOpen(t *testing.T) {
	before := keyring(t, secret(1)).Seal("p", "n", []byte("v"), time.Now().Add(time.Hour))
	rotated := keyring(t, secret(2), secret(1))
	if got, _, err := rotated.Open("p", "n", before); string(got) != "v" || err != nil {
		t.Errorf("sealed before the rotation: %q, %v", got, err)
	}
	after := rotated.Seal("p", "n", []byte("v"), time.Now().Add(time.Hour))
	if _, _, err := keyring(t, secret(1)).Open("p", "n", after); !errors.Is(err, callback.ErrSealInvalid) {
		t.Errorf("the old key opens what the new one sealed: %v", err)
	}
	if got, _, err := keyring(t, secret(2)).Open("p", "n", after); string(got) != "v" || err != nil {
		t.Errorf("the new key alone: %q, %v", got, err)
	}
}

// TestKeysWithOneIDBothOpen finds two keys whose id, the first byte of what they seal, is the same.
func TestKeysWithOneIDBothOpen(t *testing.T) {
	idOf := func(key []byte) byte {
		raw, err := base64.RawURLEncoding.DecodeString(keyring(t, key).Seal("p", "n", nil, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		return raw[0]
	}
	seen := map[byte][]byte{}
	for n := range 257 {
		key := append(secret(1), byte(n), byte(n>>8))
		other := seen[idOf(key)]
		seen[idOf(key)] = key
		if other == nil {
			continue
		}
		sealed := keyring(t, other).Seal("p", "n", []byte("v"), time.Now().Add(time.Hour))
		for _, k := range []*callback.Keyring{keyring(t, key, other), keyring(t, other, key), keyring(t, secret(9), key, other)} {
			if got, _, err := k.Open("p", "n", sealed); string(got) != "v" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		}
		return
	}
	t.Error("257 keys have 257 ids of one byte")
}

func TestWhatIsSealedIsShort(t *testing.T) {
	k := keyring(t, secret(1))
	for size, want := range map[int]int{0: 44, 500: 711, 2750: 3711} {
		if got := len(k.Seal("p", "n", make([]byte, size), time.Now())); got != want {
			t.Errorf("%d bytes become %d characters, want %d", size, got, want)
		}
	}
}

func TestSealAllocatesOnlyItsResult(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	k := keyring(t, secret(1))
	value, expires := make([]byte, 500), time.Now().Add(time.Hour)
	sealed := k.Seal("session", "__Host-session", value, expires)
	seal := testing.AllocsPerRun(100, func() { k.Seal("session", "__Host-session", value, expires) })
	open := testing.AllocsPerRun(100, func() { _, _, _ = k.Open("session", "__Host-session", sealed) })
	if seal > 1 || open > 1 {
		t.Errorf("Seal allocates %v times, Open %v", seal, open)
	}
}

func TestSealTakesAnyTime(t *testing.T) {
	k := keyring(t, secret(1))
	for name, tt := range map[string]struct {
		expires time.Time
		want    int64
	}{
		"the zero time":    {time.Time{}, 0},
		"before 1970":      {time.Unix(-1, 0), 0},
		"beyond year 2106": {time.Unix(1<<40, 0), 1<<32 - 1},
	} {
		_, got, err := k.Open("p", "n", k.Seal("p", "n", nil, tt.expires))
		if got.Unix() != tt.want || errors.Is(err, callback.ErrSealExpired) != (tt.want == 0) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestSealersDoNotDisturbEachOther(t *testing.T) {
	k := keyring(t, secret(1))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				value := bytes.Repeat([]byte{byte(n)}, 100+i)
				if got, _, err := k.Open("p", "n", k.Seal("p", "n", value, time.Now().Add(time.Hour))); !bytes.Equal(got, value) || err != nil {
					t.Errorf("%d: %v", n, err)
				}
			}
		})
	}
	all.Wait()
}

func TestSealExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keyring(t, secret(1))
		sealed := k.Seal("p", "n", []byte("v"), time.Now().Add(time.Minute))
		time.Sleep(59 * time.Second)
		if _, _, err := k.Open("p", "n", sealed); err != nil {
			t.Errorf("a second before: %v", err)
		}
		time.Sleep(time.Second)
		if got, _, err := k.Open("p", "n", sealed); !errors.Is(err, callback.ErrSealExpired) || string(got) != "v" {
			t.Errorf("at its time: %q, %v", got, err)
		}
	})
}

func TestKeyringPrintsNoKey(t *testing.T) {
	k := keyring(t, []byte("0123456789abcdefghijklmnopqrstuv"), secret(1))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		if got := fmt.Sprintf(verb, k); got != "callback.Keyring(2 keys)" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := keyring(f, secret(1), secret(2))
	for _, seed := range []string{"", "AAAA", k.Seal("p", "n", nil, time.Now().Add(time.Hour)), keyring(f, secret(2)).Seal("p", "n", []byte("v"), time.Time{})} {
		f.Add("p", "n", seed)
	}
	f.Fuzz(func(t *testing.T, purpose, name, sealed string) {
		value, _, err := k.Open(purpose, name, sealed)
		if err == nil && (purpose != "p" || name != "n" || len(value) > 0) {
			t.Errorf("Open(%q, %q, %q) = %q", purpose, name, sealed, value)
		}
	})
}

func ExampleNewKeyring() {
	// Both from the environment, say, each the output of "openssl rand 32".
	newest, previous := []byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@"), []byte("f6%Hc0?sJ3+uE8=aQ5~nV1/iK7;oP4:x")

	before, err := callback.NewKeyring(previous)
	if err != nil {
		panic(err)
	}
	sealed := before.Seal("invite", "mail", []byte("ana"), time.Now().Add(time.Hour))

	rotated, err := callback.NewKeyring(newest, previous)
	if err != nil {
		panic(err)
	}
	value, _, err := rotated.Open("invite", "mail", sealed)
	fmt.Printf("%s %v\n", value, err)
	// Output: ana <nil>
}

func BenchmarkKeyring(b *testing.B) {
	k := keyring(b, secret(1))
	value := make([]byte, 500)
	expires := time.Now().Add(time.Hour)
	sealed := k.Seal("session", "__Host-session", value, expires)
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Seal("session", "__Host-session", value, expires)
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := k.Open("session", "__Host-session", sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
