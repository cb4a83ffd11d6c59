package security

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// The cost of HashPassword: argon2id with 19 MiB, two passes and one lane, the least that the OWASP Password Storage Cheat
// Sheet names.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// HashPassword returns what to store of a password: argon2id (RFC 9106) in the PHC string format, with a fresh salt. It refuses
// passwords of fewer than 8 characters (NIST SP 800-63B, section 5.1.1.2) and of more than 1024 bytes, and those that Basic credentials cannot
// carry. It takes tens of milliseconds, by design.
func HashPassword(password string) (string, error) {
	bad := invalid.Config{Package: "security"}
	if len([]rune(password)) < 8 || len(password) > maxPassword || !isBasicText(password) {
		bad.Hidden("password", "must be 8 characters to 1024 bytes of UTF-8 without control characters")
		return "", bad.Err()
	}
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: it ends the program instead
	h := argonHash{memory: argonMemory, time: argonTime, lanes: argonLanes, salt: salt}
	h.key = h.derive(password, argonKey)
	return h.String(), nil
}

// A passwordHash is a stored password.
type passwordHash interface {
	matches(password string) bool
	decoy() passwordHash // one of the same cost that no password matches
}

// parseHash reads a PHC string of argon2id, or a bcrypt hash. Costs that would take a server down are refused.
func parseHash(s string) (passwordHash, bool) {
	if strings.HasPrefix(s, "$2") {
		cost, err := bcrypt.Cost([]byte(s))
		return bcryptHash(s), err == nil && cost <= 16
	}
	h, err := parseArgon(s)
	return h, err == nil
}

// argonHash is a password hashed by argon2id.
type argonHash struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func parseArgon(s string) (argonHash, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return argonHash{}, errors.New("no PHC string of argon2id")
	}
	var h argonHash
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); n != 3 || err != nil || h.params() != parts[3] {
		return argonHash{}, errors.New("no parameters of argon2id")
	}
	var saltErr, keyErr error
	h.salt, saltErr = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, keyErr = base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.key) < 16 || len(h.key) > 64 {
		return argonHash{}, errors.New("no salt and key of argon2id")
	}
	if h.memory < 8 || h.memory > 1<<20 || h.time < 1 || h.time > 16 || h.lanes < 1 || h.lanes > 16 {
		return argonHash{}, errors.New("costs are out of bounds")
	}
	return h, nil
}

func (h argonHash) params() string { return fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.time, h.lanes) }

// String returns the PHC string.
func (h argonHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, h.params(), base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

func (h argonHash) derive(password string, size int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, uint32(size)) //nolint:gosec // at most 64
}

func (h argonHash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password, len(h.key)), h.key) == 1
}

func (h argonHash) decoy() passwordHash {
	other := h
	other.key = make([]byte, len(h.key))
	_, _ = rand.Read(other.key)
	return other
}

// bcryptHash is a password hashed by bcrypt, which looks at 72 bytes.
type bcryptHash string

func (h bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(h), []byte(password[:min(len(password), 72)])) == nil && len(password) <= 72
}

func (h bcryptHash) decoy() passwordHash {
	b := []byte(h)
	random := make([]byte, 23) // the hash proper, in bcrypt's own base64
	_, _ = rand.Read(random)
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	copy(b[len(b)-31:], base64.NewEncoding(alphabet).WithPadding(base64.NoPadding).EncodeToString(random))
	return bcryptHash(b)
}

// verifiedPasswords remembers, by keyed hashes, which passwords were right a short time ago.
type verifiedPasswords struct {
	mu    sync.Mutex
	until map[[32]byte]time.Time
}

func (v *verifiedPasswords) has(key [32]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Now().Before(v.until[key])
}

func (v *verifiedPasswords) add(key [32]byte, last time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.until) >= maxVerified {
		clear(v.until) // each costs its owner one hash more
	}
	v.until[key] = time.Now().Add(last)
}
