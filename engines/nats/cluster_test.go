package nats_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

// cluster is three servers, which do not sync what they have before they answer.
type cluster []*natsServer

func newCluster(t *testing.T) cluster {
	t.Helper()
	var c cluster
	t.Cleanup(func() {
		for _, s := range c {
			s.kill()
		}
	})
	for range portTries {
		plans := make([]serverPlan, 3)
		var routes []int
		for i := range plans {
			plans[i] = serverPlan{Port: somePort(), Dir: t.TempDir(), Name: fmt.Sprint("server", i), Route: somePort()}
			routes = append(routes, plans[i].Route)
		}
		var err error
		for _, plan := range plans {
			plan.Routes = routes
			s := &natsServer{serverPlan: plan}
			if err = s.start(); err != nil {
				break
			}
			c = append(c, s)
		}
		switch {
		case err == nil:
			return c
		case !errors.Is(err, errTaken):
			t.Fatal(err)
		}
		for _, s := range c {
			s.kill()
		}
		c = nil
	}
	t.Fatal("no free ports are found")
	return nil
}

func (c cluster) url() string {
	var urls []string
	for _, s := range c {
		urls = append(urls, s.url())
	}
	return strings.Join(urls, ",")
}

// state waits until the stream has a leader and all its replicas what the leader has, and returns the leader and another server.
func (c cluster) state(t *testing.T, l *ledger) (leader, follower *natsServer) {
	t.Helper()
	testwait.Until(t, "a cluster that is whole", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		stream, err := l.js.Stream(ctx, l.stream)
		if err != nil {
			return false
		}
		now := stream.CachedInfo().Cluster
		if now == nil || len(now.Replicas) != len(c)-1 || slices.ContainsFunc(now.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current || p.Offline }) {
			return false
		}
		leader, follower = c.named(now.Leader), c.named(now.Replicas[0].Name)
		return leader != nil && follower != nil
	})
	return leader, follower
}

func (c cluster) named(name string) *natsServer {
	for _, s := range c {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Of three servers the leader of the stream is killed, and another, and the new leader: events go on being acknowledged. Without two of
// them none is. None that was acknowledged is missing, and none has two effects.
func TestAClusterWhoseServersAreKilledLosesAndDoublesNothing(t *testing.T) {
	c := newCluster(t)
	l := ledgerAt(t, c.url(), "CLUSTER", filepath.Join(t.TempDir(), "effects.db"))
	var box *nats.Inbox
	testwait.Until(t, "a cluster that makes a stream", func() (made bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var err error
		box, err = nats.Open(ctx, l.js, nats.Config{Inbox: lasting(), Stream: l.stream}) // with three replicas
		return err == nil
	})
	t.Cleanup(func() { inboxtest.Close(t, box) })
	provider := inboxtest.NewProvider(t, box)
	underLoad(t, l, box, 16, func(load *inboxtest.Load) {
		start := func(s *natsServer) {
			if err := s.start(); err != nil {
				t.Fatal(err)
			}
		}
		for _, leads := range []bool{true, false, true} {
			victim, other := c.state(t, l)
			if !leads {
				victim = other
			}
			load.GoesOn(some)
			victim.kill()
			load.GoesOn(some)
			start(victim)
		}
		leader, follower := c.state(t, l)
		leader.kill()
		follower.kill()
		load.IsRefused()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := box.Accept(ctx, inboxtest.Event("p", "t", "alone")); !errors.Is(err, webhook.ErrUnavailable) {
			t.Errorf("by one server of three: %v", err)
		}
		if provider.Send(t, "alone", 1) {
			t.Error("one server of three stores an event")
		}
		start(leader)
		start(follower)
		load.GoesOn(some)
		c.state(t, l)
	})
}
