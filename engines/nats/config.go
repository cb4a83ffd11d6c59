package nats

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/nats-io/nats.go/jetstream"
)

// Config configures an Inbox. Its zero value is ready for a cluster of three servers or more.
type Config struct {
	// Inbox is what every engine takes. Its MaxQueue and MaxQueueBytes bound the events that wait for the server's answer.
	Inbox inbox.Config

	// Stream names the stream, and is the first token of its subjects. It is made where it is not there. Letters, digits, - and _ are
	// allowed, up to 64 of them. Empty means "INBOX".
	Stream string

	// Replicas is how many servers have each message, 1 to 5, of a stream that Open makes. It does not change one that is there. Zero means 3.
	Replicas int

	// InsecureFewReplicas lets the stream have fewer than three replicas. Set it where the servers have "sync_interval: always" in their
	// configuration, which makes fewer safe and which a client cannot see, or where acknowledged events may be lost with the power.
	InsecureFewReplicas bool
}

// LeaseTime is how long a process that handles may be silent before another takes over. It interrupts what it has in hand a little earlier.
const LeaseTime = 6 * time.Second

// schemaVersion is the version of the messages that this code reads and writes. It stands in the stream's metadata.
const schemaVersion = 1

const schemaKey = "gatehouse-inbox-version"

// fewest is how many replicas make an answer durable without a sync.
const fewest = 3

var streamName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// complete returns c with defaults in place of zeros, or every mistake in it.
func (c Config) complete(js jetstream.JetStream) (Config, error) {
	bad := invalid.Config{Package: "nats inbox"}
	var err error
	c.Inbox, err = c.Inbox.Complete()
	if js == nil {
		bad.Hidden("js", "must not be nil")
	}
	if c.Stream == "" {
		c.Stream = "INBOX"
	}
	if !streamName.MatchString(c.Stream) {
		bad.Field("Stream", c.Stream, "must be 1 to 64 letters, digits, - and _")
	}
	if c.Replicas == 0 {
		c.Replicas = fewest
	}
	if c.Replicas < 1 || c.Replicas > 5 {
		bad.Field("Replicas", c.Replicas, "must be 1 to 5")
	} else if c.Replicas < fewest && !c.InsecureFewReplicas {
		bad.Field("Replicas", c.Replicas, unsafeReplicas)
	}
	return c, errors.Join(err, bad.Err())
}

const unsafeReplicas = "must be at least 3 unless InsecureFewReplicas: a server answers before it syncs its disk, and one that does not cannot be told from it"

// stream returns the ledger's stream, which it makes where it is not there, or what is wrong with the one that is.
func (c Config) stream(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	s, err := js.Stream(ctx, c.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name: c.Stream, Description: "ledger of webhook events", Subjects: []string{c.Stream + ".>"}, Metadata: map[string]string{schemaKey: strconv.Itoa(schemaVersion)},
			Storage: jetstream.FileStorage, Replicas: c.Replicas, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process made it meanwhile
			s, err = js.Stream(ctx, c.Stream)
		}
	}
	if err != nil {
		return nil, err
	}
	return s, c.judge(s.CachedInfo().Config)
}

// judge reports everything in a stream's configuration by which it could lose or forget what it acknowledged.
func (c Config) judge(is jetstream.StreamConfig) error {
	bad := invalid.Config{Package: "nats inbox"}
	field := func(name string, value any, wrong bool, rule string) {
		if wrong {
			bad.Field("stream "+c.Stream+" "+name, value, rule)
		}
	}
	version, err := strconv.Atoi(is.Metadata[schemaKey])
	field("metadata "+schemaKey, is.Metadata[schemaKey], err != nil || version < 1, "must be a version: the stream was made for something else")
	field("metadata "+schemaKey, version, version > schemaVersion, fmt.Sprintf("must be at most %d: the ledger was written by a newer version", schemaVersion))
	field("replicas", is.Replicas, is.Replicas < fewest && !c.InsecureFewReplicas, unsafeReplicas)
	field("subjects", is.Subjects, len(is.Subjects) != 1 || is.Subjects[0] != c.Stream+".>", "must be "+c.Stream+".> alone")
	field("storage", is.Storage, is.Storage != jetstream.FileStorage, "must be file")
	field("retention", is.Retention, is.Retention != jetstream.LimitsPolicy, "must be limits")
	field("discard", is.Discard, is.Discard != jetstream.DiscardNew, "must be new: a full stream must refuse events, not forget some")
	field("max_msgs_per_subject", is.MaxMsgsPerSubject, is.MaxMsgsPerSubject != 1, "must be 1")
	field("max_age", is.MaxAge, is.MaxAge != 0, "must be 0: the inbox removes what is past its time")
	field("persist_mode", is.PersistMode, is.PersistMode != jetstream.DefaultPersistMode, "must be default: async answers before it writes")
	field("no_ack", is.NoAck, is.NoAck, "must be false")
	field("sealed", is.Sealed, is.Sealed, "must be false")
	field("deny_purge", is.DenyPurge, is.DenyPurge, "must be false")
	field("mirror", is.Mirror != nil, is.Mirror != nil, "must be none")
	field("sources", len(is.Sources), len(is.Sources) > 0, "must be none")
	return bad.Err()
}
