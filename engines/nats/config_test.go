package nats_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

func TestOpenReportsEveryMistake(t *testing.T) {
	_, err := nats.Open(t.Context(), nil, nats.Config{Stream: "a b", Replicas: 6, Inbox: inbox.Config{Workers: -1}})
	for _, want := range []string{
		"inbox: Workers = -1 must not be negative", "nats inbox: js must not be nil", `Stream = "a b" must be 1 to 64 letters, digits, - and _`, "Replicas = 6 must be 1 to 5",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	_, err = nats.Open(t.Context(), connect(t, running(t)), nats.Config{Stream: "FEW", Replicas: 1})
	if err == nil || !strings.Contains(err.Error(), "Replicas = 1 must be at least 3 unless InsecureFewReplicas") {
		t.Errorf("one replica: %v", err)
	}
}

// sound is a stream as Open makes it, on one server.
func sound(name string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>"}, Metadata: map[string]string{"gatehouse-inbox-version": "1"}, Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1,
	}
}

func TestOpenRefusesAStreamThatCouldLoseWhatItAcknowledged(t *testing.T) {
	js := connect(t, running(t))
	for _, row := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
		secure bool // without InsecureFewReplicas
		want   string
	}{
		{"it is as it should be", func(*jetstream.StreamConfig) {}, false, ""},
		{"it has bounds, and refuses beyond them", func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }, false, ""},
		{"one replica", func(*jetstream.StreamConfig) {}, true, "replicas = 1 must be at least 3"},
		{"in memory", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, false, "storage = Memory must be file"},
		{"it drops old messages", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, false, "discard = DiscardOld must be new"},
		{"messages have an age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, false, "max_age = 1h0m0s must be 0"},
		{"several messages a subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = -1 }, false, "max_msgs_per_subject = -1 must be 1"},
		{"messages go when they are read", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, false, "retention = WorkQueue must be limits"},
		{"it answers before it writes", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, false, "persist_mode = Async must be default"},
		{"it does not answer", func(c *jetstream.StreamConfig) { c.NoAck = true }, false, "no_ack = true must be false"},
		{"it cannot be purged", func(c *jetstream.StreamConfig) { c.DenyPurge = true }, false, "deny_purge = true must be false"},
		{"it takes other subjects", func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, c.Name+"_OTHER.>") }, false, "subjects = "},
		{"it was made for something else", func(c *jetstream.StreamConfig) { c.Metadata = nil }, false, "was made for something else"},
		{"a newer version wrote it", func(c *jetstream.StreamConfig) { c.Metadata["gatehouse-inbox-version"] = "2" }, false, "was written by a newer version"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := sound(fmt.Sprint("JUDGED", streams.Add(1)))
			row.change(&c)
			if _, err := js.CreateStream(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			box, err := nats.Open(t.Context(), js, nats.Config{Stream: c.Name, InsecureFewReplicas: !row.secure})
			if box != nil {
				defer box.Close()
			}
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}

func TestOpenWithoutAServer(t *testing.T) {
	s := own(t, false)
	js := connect(t, s)
	s.kill()
	if _, err := nats.Open(t.Context(), js, nats.Config{Stream: "GONE", Replicas: 1, InsecureFewReplicas: true}); err == nil {
		t.Error("an inbox without a server")
	}
}
